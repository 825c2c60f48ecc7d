// Ops that move numbers without changing them; for any dtype.
#pragma once

#include <array>
#include <initializer_list>

#include "tensor/kernel.h"
#include "tensor/tensor.h"

namespace munet {

// The same numbers in row-major order under another shape. Shares storage. Gradient: x.
Tensor reshape(const Tensor& x, const Shape& shape);
Tensor reshape(const Tensor& x, std::initializer_list<int64_t> sizes);  // one of them may be -1
// The part [start, start + length) of an axis. Shares storage for axis 0, else copies. Gradient: x.
Tensor narrow(const Tensor& x, int axis, int64_t start, int64_t length);
// Joined along an axis; all other sizes agree. Gradients: each x.
Tensor concat(const Tensors& xs, int axis);
struct Padding2d {
  int64_t left = 0, right = 0, top = 0, bottom = 0;  // pixels, not negative
};
// x [n,h,w,c] -> [n, top+h+bottom, left+w+right, c], `value` outside. Gradient: x.
Tensor pad2d(const Tensor& x, Padding2d padding, double value = 0);
// Two axes exchanged (a copy). Gradient: x.
Tensor transpose(const Tensor& x, int axis_a, int axis_b);

namespace kernels {
// Where an element of a box lies in a tensor: first + sum over axes k of index_k * step_k.
struct Box {
  int64_t first = 0;
  std::array<int64_t, Shape::kMaxRank> step{};
};
// from, its box, to, its box, size of the box: copies elements of any dtype (both have the same)
extern Kernel<void(const Tensor&, const Box&, const Tensor&, const Box&, const Shape&)> copy_box;
}  // namespace kernels

}  // namespace munet
