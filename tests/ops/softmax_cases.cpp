// Rows of the op table: softmax.
#include <cmath>

#include "autograd/ops/softmax.h"
#include "tests/catch.h"
#include "tests/ops/harness.h"

using namespace munet;

namespace {

// y = exp(x) / sum exp(x) over the middle axis of [a, b, c], from the definition.
Tensor naive_softmax(const Tensor& x, bool logarithm) {
  const int64_t a = x.dim(0), b = x.dim(1), c = x.dim(2);
  Tensor y = Tensor::empty(x.shape(), DType::f64);
  for (int64_t i = 0; i < a; ++i)
    for (int64_t k = 0; k < c; ++k) {
      double total = 0;
      for (int64_t j = 0; j < b; ++j) total += std::exp(x.data<double>()[(i * b + j) * c + k]);
      for (int64_t j = 0; j < b; ++j) {
        const double value = std::exp(x.data<double>()[(i * b + j) * c + k]) / total;
        y.data<double>()[(i * b + j) * c + k] = logarithm ? std::log(value) : value;
      }
    }
  return y;
}

std::vector<OpCase> softmax_cases() {
  return {
      {.name = "softmax/middle axis",
       .inputs = {{3, 7, 5}},
       .op = [](const Tensors& in) { return softmax(in[0], 1); },
       .reference = [](const Tensors& in) { return naive_softmax(in[0], false); },
       .throws = {{[] {
                     softmax(Tensor::zeros({2, 0}), 1);
                   },
                   "softmax: expected at least one element along axis 1; x is [2, 0]"}},
       .low = -4,
       .high = 4},
      {.name = "softmax/long last axis",
       .inputs = {{2, 1031, 3}},
       .op = [](const Tensors& in) { return softmax(in[0], -2); },
       .reference = [](const Tensors& in) { return naive_softmax(in[0], false); },
       .low = -4,
       .high = 4,
       .gradient_samples = 40},
      {.name = "log_softmax/middle axis",
       .inputs = {{3, 7, 5}},
       .op = [](const Tensors& in) { return log_softmax(in[0], 1); },
       .reference = [](const Tensors& in) { return naive_softmax(in[0], true); },
       .low = -4,
       .high = 4},
  };
}

}  // namespace

TEST_CASE("op/softmax", "[op][softmax]") { run_sweeps(softmax_cases()); }

TEST_CASE("softmax does not overflow", "[op][softmax]") {
  const Tensor y = softmax(Tensor::from<float>({1000, 999, -1000}, {3}), 0);
  CHECK(y.data<float>()[0] == Approx(1 / (1 + std::exp(-1.0))));
  CHECK(y.data<float>()[2] == 0);
}
