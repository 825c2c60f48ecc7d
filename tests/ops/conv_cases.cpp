// Rows of the op table: convolution, and what the fused form adds.
#include "autograd/ops/conv.h"
#include "tests/catch.h"
#include "tests/ops/harness.h"
#include "tests/support.h"

using namespace munet;

namespace {

// y[n,i,j,o] = bias[o] + sum x[n, i*stride+p-padding, j*stride+q-padding, c] * w[o,p,q,c].
Tensor naive_conv2d(const Tensor& x, const Tensor& w, const Tensor& bias, Conv2dOptions options) {
  const int64_t n = x.dim(0), h = x.dim(1), v = x.dim(2), c = x.dim(3);
  const int64_t o = w.dim(0), kh = w.dim(1), kw = w.dim(2);
  const int64_t oh = (h + 2 * options.padding - kh) / options.stride + 1;
  const int64_t ow = (v + 2 * options.padding - kw) / options.stride + 1;
  Tensor y = Tensor::zeros({n, oh, ow, o}, DType::f64);
  double* to = y.data<double>();
  for (int64_t b = 0; b < n; ++b)
    for (int64_t i = 0; i < oh; ++i)
      for (int64_t j = 0; j < ow; ++j)
        for (int64_t k = 0; k < o; ++k, ++to) {
          if (bias) *to = bias.data<double>()[k];
          for (int64_t p = 0; p < kh; ++p)
            for (int64_t q = 0; q < kw; ++q) {
              const int64_t row = i * options.stride + p - options.padding;
              const int64_t column = j * options.stride + q - options.padding;
              if (row < 0 || row >= h || column < 0 || column >= v) continue;
              for (int64_t l = 0; l < c; ++l)
                *to += x.data<double>()[((b * h + row) * v + column) * c + l] *
                       w.data<double>()[((k * kh + p) * kw + q) * c + l];
            }
        }
  return y;
}

// x, w and, where it has a size, the bias.
OpCase conv_case(const std::string& name, const Shape& x, const Shape& w, Conv2dOptions options,
                 bool bias = true, int64_t samples = 0) {
  OpCase c = {
      .name = "conv2d/" + name,
      .inputs = {x, w},
      .op =
          [=](const Tensors& in) { return conv2d(in[0], in[1], bias ? in[2] : Tensor(), options); },
      .reference =
          [=](const Tensors& in) {
            return naive_conv2d(in[0], in[1], bias ? in[2] : Tensor(), options);
          },
      .gradient_samples = samples};
  if (bias) c.inputs.push_back({w[0]});
  return c;
}

std::vector<OpCase> conv_cases() {
  std::vector<OpCase> cases = {
      conv_case("3x3p1", {2, 5, 7, 3}, {4, 3, 3, 3}, {1, 1}),
      conv_case("3x3, no padding, no bias", {2, 5, 7, 3}, {4, 3, 3, 3}, {}, false),
      conv_case("1x1", {3, 4, 5, 7}, {17, 1, 1, 7}, {}),
      conv_case("1x1s2", {3, 5, 8, 7}, {2, 1, 1, 7}, {2, 0}),
      conv_case("3x3s2p1, odd", {2, 7, 9, 5}, {3, 3, 3, 5}, {2, 1}),
      conv_case("3x3s2p1, even", {2, 8, 6, 5}, {3, 3, 3, 5}, {2, 1}),
      conv_case("3x3s3p2, columns left over", {2, 9, 10, 3}, {4, 3, 3, 3}, {3, 2}),
      conv_case("7x7s2p3, stem", {2, 11, 13, 3}, {5, 7, 7, 3}, {2, 3}, true, 60),
      conv_case("7x7p3, one channel", {2, 9, 8, 1}, {3, 7, 7, 1}, {1, 3}, true, 60),
      conv_case("2x5p4, padding beyond the kernel", {2, 4, 6, 3}, {5, 2, 5, 3}, {1, 4}),
      conv_case("5x2s2p1, one output", {2, 6, 7, 5}, {1, 5, 2, 5}, {2, 1}),
      conv_case("4x3, the whole input", {2, 4, 3, 5}, {7, 4, 3, 5}, {}),
      conv_case("one by one", {1, 1, 1, 1}, {1, 1, 1, 1}, {}),
      conv_case("3x3p1, blocks and remainders", {2, 11, 19, 37}, {35, 3, 3, 37}, {1, 1}, true, 10),
      conv_case("1x1, blocks and remainders", {3, 7, 11, 301}, {49, 1, 1, 301}, {}, true, 10),
      conv_case("3x3p1, two outputs", {2, 9, 7, 37}, {2, 3, 3, 37}, {1, 1}, true, 10),
      conv_case("2x3s2, one output", {2, 9, 8, 75}, {1, 2, 3, 75}, {2, 1}, true, 10),
      conv_case("3x3p1, Winograd", {2, 9, 14, 24}, {32, 3, 3, 24}, {1, 1}, true, 10),
      conv_case("3x3, no padding, Winograd", {2, 7, 10, 16}, {48, 3, 3, 16}, {}, false, 10),
      conv_case("3x3p4, Winograd", {1, 3, 5, 16}, {16, 3, 3, 16}, {1, 4}, true, 10),
      conv_case("3x3p1, Winograd, many blocks", {2, 61, 83, 16}, {16, 3, 3, 16}, {1, 1}, true, 3),
      conv_case("4x4p2, Winograd", {2, 9, 13, 16}, {32, 4, 4, 16}, {1, 2}, true, 10),
      conv_case("7x7s2p3, folded", {2, 13, 19, 3}, {48, 7, 7, 3}, {2, 3}, true, 10),
      conv_case("3x3s2p1, blocks and remainders", {2, 13, 17, 33}, {18, 3, 3, 33}, {2, 1}, true,
                10),
  };
  const auto zeros = [](const Shape& shape, DType dtype = DType::f32) {
    return Tensor::zeros(shape, dtype);
  };
  const Shape x = {2, 5, 7, 3}, w = {4, 3, 3, 3};
  cases[0].throws = {
      {[=] {
         conv2d(zeros({5, 7, 3}), zeros(w));
       },
       "conv2d: expected x [n,h,w,c]; x is [5, 7, 3], w is [4, 3, 3, 3]"},
      {[=] {
         conv2d(zeros(x), zeros({4, 3, 3}));
       },
       "conv2d: expected w [o,kh,kw,c]; w is [4, 3, 3]"},
      {[=] {
         conv2d(zeros(x), zeros({4, 3, 3, 5}));
       },
       "conv2d: x has 3 channels but w expects 5; x is [2, 5, 7, 3], w is [4, 3, 3, 5]"},
      {[=] {
         conv2d(zeros(x), zeros({4, 6, 3, 3}));
       },
       "conv2d: the kernel is larger than the padded input; x is [2, 5, 7, 3], w is [4, 6, 3, 3], "
       "padding 0"},
      {[=] { conv2d(zeros(x), zeros(w), zeros({3})); },
       "conv2d: expected bias [4]; bias is [3], w is [4, 3, 3, 3]"},
      {[=] {
         conv2d(zeros(x), zeros(w), {}, {0, 1});
       },
       "conv2d: expected stride >= 1 and padding >= 0; given stride 0, padding 1"},
      {[=] {
         conv2d(zeros(x), zeros(w), {}, {1, -1});
       },
       "conv2d: expected stride >= 1 and padding >= 0; given stride 1, padding -1"},
      {[=] { conv2d(zeros(x), zeros(w, DType::f64)); }, "conv2d: x is f32 but w is f64",
       "DTypeError"},
      {[=] { conv2d(zeros(x), zeros(w), zeros({4}, DType::f64)); },
       "conv2d: w is f32 but bias is f64", "DTypeError"},
      {[=] { conv2d(zeros(x, DType::f16), zeros(w, DType::f16)); },
       "conv2d: f16 is not computed on the CPU; cast to f32", "DTypeError"},
      {[=] { prepare_conv2d(zeros(w), zeros({3}), {}); },
       "prepare_conv2d: expected bias [4]; bias is [3], w is [4, 3, 3, 3]"},
      {[=] {
         conv2d_fused(zeros({2, 5, 7, 5}), *prepare_conv2d(zeros(w), {}, {}));
       },
       "conv2d_fused: x has 5 channels but w expects 3; x is [2, 5, 7, 5], w is [4, 3, 3, 3]"},
      {[=] { conv2d_fused(zeros(x, DType::f64), *prepare_conv2d(zeros(w), {}, {})); },
       "conv2d_fused: x is f64 but w is f32", "DTypeError"},
      {[=] {
         conv2d_fused(zeros(x), *prepare_conv2d(zeros(w), {}, {}), zeros({2, 5, 3, 4}));
       },
       "conv2d_fused: expected add [2, 3, 5, 4] or [1, 3, 5, 4]; add is [2, 5, 3, 4], x is "
       "[2, 5, 7, 3]"},
      {[=] {
         Tensor leaf = zeros(x);
         conv2d_fused(leaf.set_requires_grad(), *prepare_conv2d(zeros(w), {}, {}));
       },
       "conv2d_fused: has no gradient; use conv2d, or hold a NoGrad", "Error"},
  };
  return cases;
}

// The epilogues on one convolution: x, w, bias, add.
OpCase fused_case(const std::string& name, const Shape& x, const Shape& w, const Shape& add,
                  Conv2dOptions options, Activation activation) {
  return {.name = "conv2d_fused/" + name,
          .inputs = {x, w, {w[0]}, add},
          .op =
              [=](const Tensors& in) {
                return conv2d_fused(in[0], *prepare_conv2d(in[1], in[2], options), in[3],
                                    activation);
              },
          .reference =
              [=](const Tensors& in) {
                Tensor y = naive_conv2d(in[0], in[1], in[2], options);
                for (int64_t i = 0; i < y.numel(); ++i) {
                  double& value = y.data<double>()[i];
                  value += in[3].data<double>()[i % in[3].numel()];
                  if (activation == Activation::relu && value < 0) value = 0;
                }
                return y;
              },
          .no_grad = {0, 1, 2, 3}};
}

std::vector<OpCase> fused_cases() {
  const Activation relu = Activation::relu, none = Activation::none;
  return {
      fused_case("add", {2, 5, 7, 3}, {4, 3, 3, 3}, {2, 5, 7, 4}, {1, 1}, none),
      fused_case("add, relu", {2, 5, 7, 3}, {17, 1, 1, 3}, {2, 5, 7, 17}, {}, relu),
      fused_case("shared add, relu", {3, 5, 7, 9}, {20, 3, 3, 9}, {1, 3, 4, 20}, {2, 1}, relu),
      fused_case("add, relu, blocks", {2, 11, 13, 70}, {66, 3, 3, 70}, {2, 11, 13, 66}, {1, 1},
                 relu),
      fused_case("add, relu, Winograd", {2, 9, 14, 24}, {32, 3, 3, 24}, {2, 9, 14, 32}, {1, 1},
                 relu),
      fused_case("shared add, Winograd", {3, 6, 7, 16}, {48, 3, 3, 16}, {1, 6, 7, 48}, {1, 1},
                 none),
      fused_case("shared add, relu, two outputs", {3, 6, 7, 40}, {2, 3, 3, 40}, {1, 6, 7, 2},
                 {1, 1}, relu),
      fused_case("shared add, blocks", {3, 9, 7, 70}, {66, 3, 3, 70}, {1, 9, 7, 66}, {1, 1}, none),
  };
}

}  // namespace

TEST_CASE("op/conv2d", "[op][conv]") { run_sweeps(conv_cases()); }
TEST_CASE("op/conv2d_fused", "[op][conv]") { run_sweeps(fused_cases()); }

TEST_CASE("prepared weights are a copy", "[op][conv]") {
  const Tensor x = random_tensor({1, 5, 4, 3}, 1), w = random_tensor({2, 3, 3, 3}, 2);
  const auto prepared = prepare_conv2d(w, {}, {});
  const std::vector<float> want = conv2d_fused(x, *prepared).to_vector<float>();
  w.data<float>()[0] += 1;
  CHECK(conv2d_fused(x, *prepared).to_vector<float>() == want);
}

TEST_CASE("conv2d of no image, and without channels", "[op][conv]") {
  const Tensor w = Tensor::zeros({4, 3, 3, 3});
  CHECK(conv2d(Tensor::zeros({0, 5, 7, 3}), w).shape() == Shape{0, 3, 5, 4});
  const Tensor y = conv2d(Tensor::zeros({1, 3, 3, 0}), Tensor::zeros({2, 3, 3, 0}),
                          Tensor::from<float>({2, -3}, {2}));
  CHECK(y.to_vector<float>() == std::vector<float>{2, -3});  // a sum of nothing, and the bias
}
