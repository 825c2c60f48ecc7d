// Loops over cells.
#include "munet/trust.h"

#include <algorithm>
#include <cmath>

#include "tensor/error.h"

namespace munet {
namespace {

// Least squares on DAVIS-2016-train (30 sequences at 240 pixels, soft masks at a quarter of that);
// tests/trust.sh --fit fits them again, from masks at full size.
constexpr double kBias = -0.070, kCertainty = 1.034, kAgreement = 0.039;

constexpr int64_t kCell = 16;

// A map [h,w] at a point between cells, the edge going on outside.
double at(const float* map, int64_t h, int64_t w, double y, double x) {
  y = std::clamp(y, 0.0, double(h - 1));
  x = std::clamp(x, 0.0, double(w - 1));
  const int64_t top = int64_t(y), left = int64_t(x), bottom = std::min(top + 1, h - 1),
                right = std::min(left + 1, w - 1);
  const double v = y - double(top), u = x - double(left);
  return (1 - v) * ((1 - u) * map[top * w + left] + u * map[top * w + right]) +
         v * ((1 - u) * map[bottom * w + left] + u * map[bottom * w + right]);
}

}  // namespace

double trust(const TrustSigns& signs) {
  return std::clamp(kBias + kCertainty * signs.certainty + kAgreement * signs.agreement, 0.0, 1.0);
}

Tensor mask_cells(const Tensor& masks, int64_t position) {
  const Tensor mask = masks.rows(position, 1).to(Device{});
  const int64_t h = mask.dim(1) / kCell, w = mask.dim(2) / kCell;
  Tensor cells = Tensor::zeros({h, w});
  const float* from = mask.data<float>();
  for (int64_t row = 0; row < h * kCell; ++row) {
    float* to = cells.data<float>() + row / kCell * w;
    for (int64_t x = 0; x < w * kCell; ++x) to[x / kCell] += *from++ / (kCell * kCell);
  }
  return cells;
}

TrustSigns motion_signs(const Tensor& matched, const Tensor& before, const Tensor& now) {
  const int64_t h = now.dim(0), w = now.dim(1);
  check<ShapeError>(matched.shape() == Shape({1, h, w, 3}) && before.shape() == now.shape(),
                    "motion_signs: expected matched [1,h,w,3] and cells [h,w]; got ",
                    matched.shape(), ", ", before.shape(), " and ", now.shape());
  const float *m = matched.data<float>(), *was = before.data<float>(), *is = now.data<float>();
  double both = 0, either = 0, similarity = 0, area = 0;
  for (int64_t y = 0; y < h; ++y)
    for (int64_t x = 0; x < w; ++x, m += 3, ++is) {
      const double moved = at(was, h, w, double(y) + m[1], double(x) + m[0]);
      both += std::min<double>(moved, *is);
      either += std::max<double>(moved, *is);
      similarity += double(*is) * m[2];
      area += *is;
    }
  TrustSigns signs;
  signs.agreement = either > 0 ? both / either : 1;
  signs.matching = area > 0 ? similarity / area : 0;
  return signs;
}

std::vector<std::size_t> frames_to_check(const std::vector<double>& trust, std::size_t count) {
  double most_trusted = 0;  // of the frames that were not given
  for (const double value : trust)
    if (value < 1) most_trusted = std::max(most_trusted, value);
  std::vector<double> error;
  for (const double value : trust) error.push_back(std::max(0.0, most_trusted - value));
  // What a true mask at t mends of frame i.
  const auto mended = [&](std::size_t t, std::size_t i) {
    return std::min(error[t], error[i]) * std::exp(-double(i - t) / kTrustReach);
  };
  std::vector<std::size_t> chosen;
  while (chosen.size() < count) {
    std::size_t best = 0;
    double most = 0;
    for (std::size_t t = 1; t < trust.size(); ++t) {
      if (trust[t] >= 1) continue;
      double sum = 0;
      for (std::size_t i = t; i < trust.size(); ++i) sum += mended(t, i);
      if (sum > most) most = sum, best = t;
    }
    if (best == 0) break;
    chosen.push_back(best);
    for (std::size_t i = trust.size(); i-- > best;) error[i] -= mended(best, i);
  }
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

}  // namespace munet
