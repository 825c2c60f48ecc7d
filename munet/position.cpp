#include "munet/position.h"

#include <cmath>
#include <map>
#include <mutex>
#include <tuple>

#include "autograd/ops/elementwise.h"
#include "autograd/ops/shape.h"
#include "munet/frame.h"

namespace munet {
namespace {

constexpr double kShortest = 4, kLongest = 128;  // wavelengths, cells of 16 pixels
constexpr int64_t kMost = kMaxFrameSide / 16;    // cells along a side

// [kMost,d] of columns or of rows: sines in the first half of the channels, cosines in the second;
// of columns in the first half of each, of rows in the second; 0 in the other's channels.
Tensor waves(int64_t depth, bool row) {
  const int64_t half = depth / 2, columns = half / 2;
  const int64_t first = row ? columns : 0, n = row ? half - columns : columns;
  const Tensor s = Tensor::zeros({kMost, depth}, DType::f64);
  for (int64_t i = 0; i < n; ++i) {
    const double share = n > 1 ? double(i) / double(n - 1) : 0;
    const double turn =
        2 * 3.14159265358979323846 / (kShortest * std::pow(kLongest / kShortest, share));
    for (int64_t at = 0; at < kMost; ++at) {
      double* to = s.data<double>() + at * depth + first + i;
      to[0] = std::sin(turn * double(at));
      to[half] = std::cos(turn * double(at));
    }
  }
  return s;
}

}  // namespace

struct PositionCue::Tables {
  struct Pair {
    Tensor columns, rows;
  };
  std::mutex mutex;
  std::map<std::tuple<Device::Kind, int, DType>, Pair> made;

  Pair of(int64_t depth, DType type, Device device) {
    const std::lock_guard lock(mutex);
    Pair& pair = made[{device.kind, device.index, type}];
    if (!pair.rows) {
      const auto there = [&](bool row) { return waves(depth, row).to(type).to(device); };
      pair = {there(false), there(true)};
    }
    return pair;
  }
};

PositionCue::PositionCue(int key_dim)
    : gain(Tensor::full({key_dim / 2}, 1.5)), tables_(std::make_shared<Tables>()) {
  gain.set_requires_grad();
}

Tensor PositionCue::operator()(const Tensor& key, double strength) const {
  const int64_t depth = 2 * gain.dim(0);
  check<ShapeError>(key.rank() == 4 && key.dim(3) == depth, "position_cue: expected keys [n,h,w,",
                    depth, "]; given ", key.shape());
  const int64_t height = key.dim(1), width = key.dim(2);
  check<ShapeError>(height <= kMost && width <= kMost, "position_cue: expected at most ", kMost,
                    " rows and columns; given ", key.shape());
  const Tables::Pair tables = tables_->of(depth, gain.dtype(), gain.device());
  const Tensor twice = concat({gain, gain}, 0);
  const Tensor gains = strength == 1 ? twice : scale(twice, strength);
  const Tensor across = mul(tables.columns.rows(0, width), gains);
  const Tensor down = mul(tables.rows.rows(0, height), gains);
  return add(add(key, cast(reshape(across, {1, 1, width, depth}), key.dtype())),
             cast(reshape(down, {1, height, 1, depth}), key.dtype()));
}

}  // namespace munet
