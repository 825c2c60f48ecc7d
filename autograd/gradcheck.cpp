#include "autograd/gradcheck.h"

#include <cmath>

#include "autograd/node.h"
#include "tensor/random.h"

namespace munet {
namespace {

double projected(const Tensor& y, const Tensor& weights) {
  double sum = 0;
  for (int64_t i = 0; i < y.numel(); ++i) sum += y.data<double>()[i] * weights.data<double>()[i];
  return sum;
}

}  // namespace

GradcheckResult gradcheck(const std::function<Tensor(const Tensors&)>& f, const Tensors& inputs,
                          GradcheckOptions options) {
  for (const Tensor& x : inputs) {
    if (!x.requires_grad()) continue;
    check<DTypeError>(x.dtype() == DType::f64, "gradcheck: inputs are f64, given ", x.dtype());
    x.set_grad({});
  }
  const Tensor y = f(inputs);
  check<DTypeError>(y.dtype() == DType::f64, "gradcheck: the result is f64, given ", y.dtype());
  const Tensor weights = Tensor::empty(y.shape(), DType::f64);
  for (int64_t i = 0; i < y.numel(); ++i)
    weights.data<double>()[i] = 2 * random_uniform(options.seed, uint64_t(i)) - 1;
  backward(y, weights);

  NoGrad no_grad;
  GradcheckResult result;
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    const Tensor& x = inputs[k];
    if (!x.requires_grad()) continue;
    const Tensor gx = x.grad() ? x.grad() : Tensor::zeros(x.shape(), DType::f64);
    const bool all = options.samples <= 0 || options.samples >= x.numel();
    const int64_t checked = all ? x.numel() : options.samples;
    double difference = 0, norm = 0, worst = -1, worst_numeric = 0;
    int64_t worst_at = 0;
    for (int64_t s = 0; s < checked; ++s) {
      const int64_t i =
          all ? s : int64_t(random_bits(options.seed + k, uint64_t(s)) % uint64_t(x.numel()));
      double& value = x.data<double>()[i];
      const double saved = value;
      value = saved + options.step;
      const double up = projected(f(inputs), weights);
      value = saved - options.step;
      const double down = projected(f(inputs), weights);
      value = saved;
      const double numeric = (up - down) / (2 * options.step);
      const double error = std::abs(gx.data<double>()[i] - numeric);
      difference += error * error;
      norm += numeric * numeric;
      if (!(error <= worst)) worst = error, worst_at = i, worst_numeric = numeric;
    }
    // Where the true gradient is zero (a flat function) the difference itself is the error.
    const double error = std::sqrt(difference) / std::max(std::sqrt(norm), 1e-3);
    if (!(error <= result.error)) result.error = error;
    if (!(error <= options.tolerance) && result.ok) {
      result.ok = false;
      result.message = str("gradcheck: input ", k, " ", x.shape(), ": relative error ", error,
                           " > ", options.tolerance, "; worst at element ", worst_at, ": analytic ",
                           gx.data<double>()[worst_at], ", numeric ", worst_numeric);
    }
  }
  return result;
}

}  // namespace munet
