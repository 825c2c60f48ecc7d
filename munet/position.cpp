#include "munet/position.h"

#include <cmath>

#include "autograd/ops/elementwise.h"
#include "autograd/ops/shape.h"

namespace munet {
namespace {

constexpr double kShortest = 4, kLongest = 128;  // wavelengths, cells of 16 pixels

// [h,w,d]: sines in the first half of the channels, cosines in the second; of columns in the first
// half of each, of rows in the second.
Tensor waves(int64_t height, int64_t width, int64_t depth) {
  const int64_t half = depth / 2, columns = half / 2;
  Tensor s = Tensor::empty({height, width, depth}, DType::f64);
  for (int64_t c = 0; c < half; ++c) {
    const bool row = c >= columns;
    const int64_t i = row ? c - columns : c, n = row ? half - columns : columns;
    const double share = n > 1 ? double(i) / double(n - 1) : 0;
    const double turn =
        2 * 3.14159265358979323846 / (kShortest * std::pow(kLongest / kShortest, share));
    for (int64_t y = 0; y < height; ++y)
      for (int64_t x = 0; x < width; ++x) {
        double* at = s.data<double>() + (y * width + x) * depth + c;
        at[0] = std::sin(turn * double(row ? y : x));
        at[half] = std::cos(turn * double(row ? y : x));
      }
  }
  return s;
}

}  // namespace

PositionCue::PositionCue(int key_dim) : gain(Tensor::full({key_dim / 2}, 1.5)) {
  gain.set_requires_grad();
}

Tensor PositionCue::operator()(const Tensor& key) const {
  check<ShapeError>(key.rank() == 4 && key.dim(3) == 2 * gain.dim(0),
                    "position_cue: expected keys [n,h,w,", 2 * gain.dim(0), "]; given ",
                    key.shape());
  const Tensor s = waves(key.dim(1), key.dim(2), key.dim(3)).to(gain.dtype()).to(gain.device());
  return add(key, cast(mul(s, concat({gain, gain}, 0)), key.dtype()));
}

}  // namespace munet
