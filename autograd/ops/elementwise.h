// Elementwise arithmetic with broadcasting, activations and casts.
#pragma once

#include "tensor/kernel.h"
#include "tensor/tensor.h"

namespace munet {

// y = a op b, element by element. Shapes are aligned at their last axes and a size 1 is repeated
// (NumPy's rule): [n,h,w,c] op [c], [n,h,w,c] op [1,h,w,c]. dtypes and devices must agree.
// Gradients: both, summed over the repeated axes. ShapeError, DTypeError, DeviceError on mismatch.
Tensor add(const Tensor& a, const Tensor& b);
Tensor sub(const Tensor& a, const Tensor& b);
Tensor mul(const Tensor& a, const Tensor& b);
Tensor div(const Tensor& a, const Tensor& b);

// y = factor * x + offset. Gradient: x.
Tensor scale(const Tensor& x, double factor, double offset = 0);

// Gradients: x. relu'(0) = 0, as in PyTorch. sigmoid and softplus do not overflow for any x.
Tensor relu(const Tensor& x);
Tensor sigmoid(const Tensor& x);                        // 1 / (1 + exp(-x))
Tensor exp(const Tensor& x);
Tensor log(const Tensor& x);                            // x > 0
Tensor clamp(const Tensor& x, double low, double high);  // gradient 1 where low <= x <= high, else 0

// x in another type. Gradient: x, in x's own type.
Tensor cast(const Tensor& x, DType dtype);

}  // namespace munet
