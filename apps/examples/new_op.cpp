// Defines a new differentiable op outside of the library, and checks its gradient by finite
// differences: softplus(x) = log(1 + e^x), whose derivative is 1 / (1 + e^-x).
#include <cmath>
#include <iostream>

#include "autograd/gradcheck.h"
#include "autograd/node.h"
#include "autograd/ops.h"

using namespace munet;

// y = log(1 + e^x) element by element, f32 or f64. Gradient: x.
Tensor softplus(const Tensor& x) {
  Tensor y = Tensor::empty(x.shape(), x.dtype());
  for_float(x.dtype(), "softplus", [&](auto zero) {
    using T = decltype(zero);
    const T* from = x.data<T>();
    for (int64_t i = 0; i < x.numel(); ++i)  // without overflow for large x
      y.data<T>()[i] = std::max(from[i], T(0)) + std::log1p(std::exp(-std::abs(from[i])));
  });
  if (!recording(x)) return y;  // inference ends here
  return record(y, "softplus", {x}, [x = x.detach()](const Tensor& gy) -> Tensors {
    return {mul(gy, sigmoid(x))};  // dL/dx = dL/dy dy/dx
  });
}

int main() {
  Tensor x = Tensor::from<double>({-30, -2, -0.5, 0.25, 1, 40}, {2, 3}).set_requires_grad();
  const auto f = [](const Tensors& in) { return softplus(in[0]); };
  const GradcheckResult result = gradcheck(f, {x});
  std::cout << "softplus " << softplus(x) << "\n";
  std::cout << (result.ok ? "gradient ok" : result.message) << "\n";

  // A wrong one is found out: 2 x for x^2 has lost its factor.
  const auto wrong = [](const Tensors& in) {
    const Tensor x = in[0].detach();
    return record(mul(x, x), "square", {in[0]},
                  [x](const Tensor& gy) -> Tensors { return {mul(gy, x)}; });
  };
  const GradcheckResult caught = gradcheck(wrong, {x});
  std::cout << "x^2 with gradient x: " << (caught.ok ? "not caught" : "caught") << "\n";
  return result.ok && !caught.ok ? 0 : 1;
}
