// Rows of the op table: bilinear and nearest resizing, up, down and to odd sizes.
#include <cmath>

#include "autograd/ops/upsample.h"
#include "tests/catch.h"
#include "tests/ops/harness.h"

using namespace munet;

namespace {

// Every source pixel weighs max(0, 1 - distance) on each axis, distances from the clamped
// coordinate.
Tensor naive_bilinear(const Tensor& x, int64_t oh, int64_t ow, bool align_corners) {
  const int64_t n = x.dim(0), h = x.dim(1), w = x.dim(2), c = x.dim(3);
  const auto coordinate = [&](int64_t i, int64_t in, int64_t out) {
    if (align_corners) return out > 1 ? double(i) * double(in - 1) / double(out - 1) : 0.0;
    return std::min(std::max((double(i) + 0.5) * double(in) / double(out) - 0.5, 0.0),
                    double(in - 1));
  };
  Tensor y = Tensor::zeros({n, oh, ow, c}, DType::f64);
  for (int64_t b = 0; b < n; ++b)
    for (int64_t i = 0; i < oh; ++i)
      for (int64_t j = 0; j < ow; ++j)
        for (int64_t r = 0; r < h; ++r)
          for (int64_t s = 0; s < w; ++s) {
            const double wr = std::max(0.0, 1 - std::abs(coordinate(i, h, oh) - double(r)));
            const double ws = std::max(0.0, 1 - std::abs(coordinate(j, w, ow) - double(s)));
            for (int64_t k = 0; k < c; ++k)
              y.data<double>()[((b * oh + i) * ow + j) * c + k] +=
                  wr * ws * x.data<double>()[((b * h + r) * w + s) * c + k];
          }
  return y;
}

Tensor naive_nearest(const Tensor& x, int64_t oh, int64_t ow) {
  const int64_t n = x.dim(0), h = x.dim(1), w = x.dim(2), c = x.dim(3);
  Tensor y = Tensor::empty({n, oh, ow, c}, DType::f64);
  for (int64_t i = 0; i < y.numel(); ++i) {
    const int64_t k = i % c, j = i / c % ow, r = i / c / ow % oh, b = i / c / ow / oh;
    y.data<double>()[i] = x.data<double>()[((b * h + r * h / oh) * w + j * w / ow) * c + k];
  }
  return y;
}

OpCase bilinear_case(const char* name, Shape shape, ResizeOptions o) {
  return {.name = str("upsample_bilinear/", name),
          .inputs = {shape},
          .op = [o](const Tensors& in) { return upsample_bilinear(in[0], o); },
          .reference =
              [o](const Tensors& in) {
                return naive_bilinear(in[0], o.height, o.width, o.align_corners);
              }};
}

OpCase nearest_case(const char* name, Shape shape, int64_t oh, int64_t ow) {
  return {
      .name = str("upsample_nearest/", name),
      .inputs = {shape},
      .op = [oh, ow](
                const Tensors& in) { return upsample_nearest(in[0], {.height = oh, .width = ow}); },
      .reference = [oh, ow](const Tensors& in) { return naive_nearest(in[0], oh, ow); }};
}

std::vector<OpCase> upsample_cases() {
  OpCase first = bilinear_case("x2", {2, 3, 5, 7}, {6, 10, false});
  first.throws = {
      {[] {
         upsample_bilinear(Tensor::zeros({2, 0, 3, 5}), {4, 4});
       },
       "upsample_bilinear: expected x [n,h,w,c] with at least one pixel; x is [2, 0, 3, 5]"},
      {[] {
         upsample_bilinear(Tensor::zeros({2, 7, 3, 5}), {4, 0});
       },
       "upsample_bilinear: expected a positive height and width; given 4 x 0, x is [2, 7, 3, 5]"}};
  OpCase nearest = nearest_case("x2", {2, 3, 5, 7}, 6, 10);
  nearest.throws = {
      {[] {
         upsample_nearest(Tensor::zeros({2, 3, 5}), {4, 4});
       },
       "upsample_nearest: expected x [n,h,w,c] with at least one pixel; x is [2, 3, 5]"}};
  return {first,
          bilinear_case("x2 corners", {2, 3, 5, 7}, {6, 10, true}),
          bilinear_case("x4 one channel", {2, 3, 5, 1}, {12, 20, false}),
          bilinear_case("odd", {2, 4, 7, 3}, {9, 11, false}),
          bilinear_case("odd corners", {2, 4, 7, 3}, {9, 11, true}),
          bilinear_case("down", {2, 9, 11, 3}, {4, 5, false}),
          bilinear_case("down corners", {3, 9, 11, 2}, {4, 5, true}),
          bilinear_case("to one pixel", {3, 4, 5, 2}, {1, 1, false}),
          bilinear_case("to one corner", {3, 4, 5, 2}, {1, 1, true}),
          bilinear_case("from one pixel", {2, 1, 1, 3}, {4, 5, false}),
          bilinear_case("as it is", {2, 3, 5, 7}, {3, 5, false}),
          nearest,
          nearest_case("odd", {2, 4, 7, 3}, 9, 11),
          nearest_case("down", {2, 9, 11, 3}, 4, 5)};
}

}  // namespace

TEST_CASE("op/upsample", "[op][upsample]") { run_sweeps(upsample_cases()); }
