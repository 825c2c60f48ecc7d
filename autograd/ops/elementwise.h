// Elementwise arithmetic with broadcasting, activations and casts.
#pragma once

#include "tensor/kernel.h"
#include "tensor/tensor.h"

namespace munet {

// y = a op b, element by element; shapes are aligned at their last axes, size 1 is repeated
// (NumPy): [n,h,w,c] op [c], [n,h,w,c] op [1,h,w,c]. f32 error 6e-8 of the norm. Gradients: both,
// summed over the repeated axes, f32 error 1e-7. ShapeError, DTypeError, DeviceError on mismatch.
Tensor add(const Tensor& a, const Tensor& b);
Tensor sub(const Tensor& a, const Tensor& b);
Tensor mul(const Tensor& a, const Tensor& b);
Tensor div(const Tensor& a, const Tensor& b);

// y = factor * x + offset. Gradient: x.
Tensor scale(const Tensor& x, double factor, double offset = 0);

// Gradients: x; relu'(0) = 0; relu and clamp keep NaN. f32 error 1e-7 of the norm, gradients 2e-7.
Tensor relu(const Tensor& x);
Tensor sigmoid(const Tensor& x);  // 1 / (1 + exp(-x)), safe for any x
Tensor exp(const Tensor& x);
Tensor log(const Tensor& x);  // x > 0
Tensor clamp(const Tensor& x, double low,
             double high);  // gradient 1 where low <= x <= high, else 0

// x in another type. Gradient: x, in x's own type, if both are floating-point.
Tensor cast(const Tensor& x, DType dtype);

namespace kernels {
enum class Binary { add, sub, mul, div };
// op, a, b, y: both are repeated up to y's shape
extern Kernel<void(Binary, const Tensor&, const Tensor&, const Tensor&)> binary;

// scale: p * x + q;  clamp: low p, high q;  the others have no parameters.
struct UnaryOp {
  enum Kind { scale, relu, sigmoid, exp, log, clamp } kind;
  double p = 0, q = 0;
  // What the gradient is computed from: x, y or neither.
  bool saves_x() const { return kind == log || kind == clamp; }
  bool saves_y() const { return kind == relu || kind == sigmoid || kind == exp; }
};
// op, x, y;  op, saved (x, y or undefined), gy, gx
extern Kernel<void(UnaryOp, const Tensor&, const Tensor&)> unary_forward;
extern Kernel<void(UnaryOp, const Tensor&, const Tensor&, const Tensor&)> unary_backward;

// x, y of another dtype
extern Kernel<void(const Tensor&, const Tensor&)> cast;
}  // namespace kernels

}  // namespace munet
