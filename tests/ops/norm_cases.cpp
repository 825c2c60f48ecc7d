// Rows of the op table: batch normalisation in both modes, unit length along channels.
#include <cmath>

#include "autograd/ops/norm.h"
#include "tests/catch.h"
#include "tests/ops/harness.h"
#include "tests/support.h"

using namespace munet;

namespace {

Tensor naive_batch_norm(const Tensor& x, const Tensor& gamma, const Tensor& beta, bool training) {
  const int64_t c = x.dim(3), pixels = x.numel() / c;
  Tensor y = Tensor::empty(x.shape(), DType::f64);
  for (int64_t k = 0; k < c; ++k) {
    const auto at = [&](int64_t p) { return x.data<double>()[p * c + k]; };
    double mean = 0.25 + double(k), var = 0.5 + double(k);  // the running ones of the rows below
    if (training) {
      mean = var = 0;
      for (int64_t p = 0; p < pixels; ++p) mean += at(p) / double(pixels);
      for (int64_t p = 0; p < pixels; ++p) var += std::pow(at(p) - mean, 2) / double(pixels);
    }
    for (int64_t p = 0; p < pixels; ++p)
      y.data<double>()[p * c + k] =
          gamma.data<double>()[k] * (at(p) - mean) / std::sqrt(var + 1e-5) + beta.data<double>()[k];
  }
  return y;
}

Tensor ramp(int64_t c, double first, DType dtype) {
  std::vector<double> values;
  for (int64_t k = 0; k < c; ++k) values.push_back(first + double(k));
  return Tensor::from(values, {c}).to(dtype);
}

OpCase batch_norm_case(const char* name, Shape shape, bool training) {
  return {
      .name = str("batch_norm/", name),
      .inputs = {shape, {shape[3]}, {shape[3]}},
      .op =
          [training](const Tensors& in) {
            Tensor mean = ramp(in[0].dim(3), 0.25, in[0].dtype()).to(in[0].device());
            Tensor var = ramp(in[0].dim(3), 0.5, in[0].dtype()).to(in[0].device());
            return batch_norm(in[0], in[1], in[2], mean, var, {.training = training});
          },
      .reference =
          [training](const Tensors& in) { return naive_batch_norm(in[0], in[1], in[2], training); },
      .low = -2,
      .high = 3};
}

Tensor naive_l2(const Tensor& x, double eps) {
  Tensor y = Tensor::empty(x.shape(), DType::f64);
  const int64_t c = x.dim(-1);
  for (int64_t i = 0; i < x.numel(); ++i) {
    double square = 0;
    for (int64_t k = 0; k < c; ++k) square += std::pow(x.data<double>()[i / c * c + k], 2);
    y.data<double>()[i] = x.data<double>()[i] / std::max(std::sqrt(square), eps);
  }
  return y;
}

OpCase l2_case(const char* name, Shape shape, double eps) {
  return {.name = str("l2_normalize/", name),
          .inputs = {shape},
          .op = [eps](const Tensors& in) { return l2_normalize(in[0], eps); },
          .reference = [eps](const Tensors& in) { return naive_l2(in[0], eps); }};
}

std::vector<OpCase> norm_cases() {
  OpCase first = batch_norm_case("training", {3, 5, 7, 2}, true);
  first.throws = {
      {[] {
         Tensor m = Tensor::zeros({3}), v = Tensor::zeros({3});
         batch_norm(Tensor::zeros({2, 5, 7, 3}), Tensor::zeros({4}), Tensor::zeros({3}), m, v);
       },
       "batch_norm: expected gamma, beta, running_mean, running_var [3]; given [4], [3], [3], [3], "
       "x is [2, 5, 7, 3]"},
      {[] {
         Tensor m = Tensor::zeros({3}), v = Tensor::zeros({3});
         batch_norm(Tensor::zeros({5, 7, 3}), m, m, m, v);
       },
       "batch_norm: expected x [n,h,w,c]; x is [5, 7, 3]"},
      {[] {
         Tensor m = Tensor::zeros({3}, DType::f64);
         batch_norm(Tensor::zeros({2, 5, 7, 3}), m, m, m, m);
       },
       "batch_norm: expected gamma, beta, running_mean, running_var of type f32; given f64, x is "
       "f32",
       "DTypeError"},
      {[] {
         Tensor m = Tensor::zeros({3}), v = Tensor::zeros({3});
         batch_norm(Tensor::zeros({1, 1, 1, 3}), m, m, m, v, {.training = true});
       },
       "batch_norm: expected more than one value per channel in training; x is [1, 1, 1, 3]",
       "Error"}};
  OpCase long_case = batch_norm_case("training, more than one block", {2, 23, 29, 3}, true);
  long_case.gradient_samples = 30;
  OpCase l2 = l2_case("channels", {2, 5, 3, 7}, 1e-6);
  l2.throws = {{[] { l2_normalize(Tensor::zeros({})); },
                "l2_normalize: expected at least one axis; x is []"}};
  return {first,
          long_case,
          batch_norm_case("running statistics", {3, 5, 7, 2}, false),
          l2,
          l2_case("shorter than eps", {5, 3, 7}, 10),
          l2_case("some shorter than eps", {11, 4, 3}, 1)};
}

}  // namespace

TEST_CASE("op/norm", "[op][norm]") { run_sweeps(norm_cases()); }

TEST_CASE("batch_norm updates the running statistics in training only", "[op][norm]") {
  const Tensor x = random_tensor({2, 3, 5, 4}, 1, -1, 4);
  const Tensor one = Tensor::full({4}, 1);
  Tensor mean = Tensor::full({4}, 2), var = Tensor::full({4}, 3);
  batch_norm(x, one, one, mean, var, {});
  CHECK(mean.to_vector<float>() == std::vector<float>(4, 2));
  CHECK(var.to_vector<float>() == std::vector<float>(4, 3));
  batch_norm(x, one, one, mean, var, {.training = true, .momentum = 0.3});
  for (int k = 0; k < 4; ++k) {
    double m = 0, v = 0;
    for (int p = 0; p < 30; ++p) m += double(x.data<float>()[p * 4 + k]) / 30;
    for (int p = 0; p < 30; ++p) v += std::pow(double(x.data<float>()[p * 4 + k]) - m, 2) / 29;
    CHECK(mean.data<float>()[k] == Approx(0.7 * 2 + 0.3 * m));
    CHECK(var.data<float>()[k] == Approx(0.7 * 3 + 0.3 * v));
  }
}

TEST_CASE("l2_normalize of zeros is zero", "[op][norm]") {
  CHECK(l2_normalize(Tensor::zeros({2, 3})).to_vector<float>() == std::vector<float>(6, 0));
}
