// Ops that move numbers without changing them.
#pragma once

#include "tensor/kernel.h"
#include "tensor/tensor.h"

namespace munet {

// The same numbers in row-major order under another shape; one size may be -1. Shares storage.
Tensor reshape(const Tensor& x, const Shape& shape);
Tensor reshape(const Tensor& x, const std::vector<int64_t>& sizes);  // with a -1
// The part [start, start + length) of an axis. Shares storage for axis 0, else copies.
Tensor narrow(const Tensor& x, int axis, int64_t start, int64_t length);
// Joined along an axis; all other sizes agree. Gradients: each x.
Tensor concat(const Tensors& xs, int axis);
struct Padding2d {
  int64_t left = 0, right = 0, top = 0, bottom = 0;  // pixels, not negative
};
// x [n,h,w,c] -> [n, top+h+bottom, left+w+right, c], `value` outside.
Tensor pad2d(const Tensor& x, Padding2d padding, double value = 0);
// Two axes exchanged (a copy).
Tensor transpose(const Tensor& x, int axis_a, int axis_b);

}  // namespace munet
