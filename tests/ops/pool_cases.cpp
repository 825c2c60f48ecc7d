// Rows of the op table: max pooling with overlapping windows, global average.
#include <cmath>

#include "autograd/node.h"
#include "autograd/ops/pool.h"
#include "tests/catch.h"
#include "tests/ops/harness.h"

using namespace munet;

namespace {

Tensor naive_max_pool(const Tensor& x, int kernel, int stride, int padding) {
  const int64_t n = x.dim(0), h = x.dim(1), w = x.dim(2), c = x.dim(3);
  const int64_t oh = (h + 2 * padding - kernel) / stride + 1;
  const int64_t ow = (w + 2 * padding - kernel) / stride + 1;
  Tensor y = Tensor::empty({n, oh, ow, c}, DType::f64);
  for (int64_t b = 0; b < n; ++b)
    for (int64_t i = 0; i < oh; ++i)
      for (int64_t j = 0; j < ow; ++j)
        for (int64_t k = 0; k < c; ++k) {
          double best = -INFINITY;
          for (int p = 0; p < kernel; ++p)
            for (int q = 0; q < kernel; ++q) {
              const int64_t r = i * stride + p - padding, s = j * stride + q - padding;
              if (r < 0 || r >= h || s < 0 || s >= w) continue;
              best = std::max(best, x.data<double>()[((b * h + r) * w + s) * c + k]);
            }
          y.data<double>()[((b * oh + i) * ow + j) * c + k] = best;
        }
  return y;
}

OpCase max_pool_case(const char* name, Shape shape, Pool2dOptions o) {
  return {
      .name = str("max_pool2d/", name),
      .inputs = {shape},
      .op = [o](const Tensors& in) { return max_pool2d(in[0], o); },
      .reference =
          [o](const Tensors& in) { return naive_max_pool(in[0], o.kernel, o.stride, o.padding); },
      .kinks = true};
}

std::vector<OpCase> pool_cases() {
  OpCase first = max_pool_case("3x3s2p1", {2, 7, 10, 5}, {3, 2, 1});
  first.throws = {
      {[] {
         max_pool2d(Tensor::zeros({2, 3, 5}), {2, 2, 0});
       },
       "max_pool2d: expected x [n,h,w,c]; x is [2, 3, 5]"},
      {[] {
         max_pool2d(Tensor::zeros({2, 3, 5, 7}), {3, 2, 2});
       },
       "max_pool2d: expected kernel >= 1, stride >= 1, padding 0..kernel/2; given kernel 3, stride "
       "2, padding 2"},
      {[] {
         max_pool2d(Tensor::zeros({2, 3, 6, 7}), {5, 1, 0});
       },
       "max_pool2d: expected a window inside the padded input; kernel 5, padding 0, x is [2, 3, 6, "
       "7]"},
      {[] {
         max_pool2d(Tensor::zeros({2, 3, 6, 7}, DType::f16), {2, 2, 0});
       },
       "max_pool2d: f16 is not computed on the CPU; cast to f32", "DTypeError"}};
  return {first,
          max_pool_case("2x2s2", {3, 6, 9, 2}, {2, 2, 0}),
          max_pool_case("5x5s1p2", {2, 4, 7, 3}, {5, 1, 2}),
          max_pool_case("2x2s3p1", {2, 8, 6, 3}, {2, 3, 1}),
          max_pool_case("1x1", {1, 1, 1, 1}, {1, 1, 0}),
          {.name = "global_avg_pool/odd",
           .inputs = {{3, 5, 7, 2}},
           .op = [](const Tensors& in) { return global_avg_pool(in[0]); },
           .reference =
               [](const Tensors& in) {
                 Tensor y = Tensor::zeros({3, 1, 1, 2}, DType::f64);
                 for (int64_t i = 0; i < in[0].numel(); ++i)
                   y.data<double>()[i / 70 * 2 + i % 2] += in[0].data<double>()[i] / 35;
                 return y;
               },
           .throws = {{[] {
                         global_avg_pool(Tensor::zeros({2, 0, 3, 5}));
                       },
                       "global_avg_pool: expected x [n,h,w,c] with at least one pixel; x is [2, 0, "
                       "3, 5]"}}}};
}

}  // namespace

TEST_CASE("op/pool", "[op][pool]") { run_sweeps(pool_cases()); }

TEST_CASE("max_pool2d gives a tie's gradient to the first position", "[op][pool]") {
  Tensor x = Tensor::zeros({1, 2, 3, 1}).set_requires_grad();
  backward(max_pool2d(x, {2, 1, 0}), Tensor::full({1, 1, 2, 1}, 1));
  CHECK(x.grad().to_vector<float>() == std::vector<float>{1, 1, 0, 0, 0, 0});
}

TEST_CASE("max_pool2d passes NaN on", "[op][pool]") {
  for (int where : {0, 1, 2, 3}) {
    Tensor x = Tensor::zeros({1, 2, 2, 1});
    x.data<float>()[where] = NAN;
    CHECK(std::isnan(max_pool2d(x, {2, 2, 0}).item()));
  }
}
