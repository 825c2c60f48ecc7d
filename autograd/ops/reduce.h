// Sums, means and maxima over axes.
#pragma once

#include <vector>

#include "tensor/kernel.h"
#include "tensor/tensor.h"

namespace munet {

// Over the named axes (none named: all of them); they stay with size 1 if `keep`, else vanish.
// Sums in f64, f32 error 6e-8 of the norm. Gradients: x. ShapeError on an unknown or repeated axis.
Tensor sum(const Tensor& x, const std::vector<int>& axes = {}, bool keep = false);
Tensor mean(const Tensor& x, const std::vector<int>& axes = {}, bool keep = false);

// Maximum along one axis. The gradient goes to the first position that holds it; NaN wins.
Tensor max(const Tensor& x, int axis, bool keep = false);
// Where along the axis it lies, i32; of equal numbers the first. No gradient.
Tensor argmax(const Tensor& x, int axis);

namespace kernels {
// x, whether each axis is summed, factor, y = factor * sum (of as many elements as axes are left)
extern Kernel<void(const Tensor&, const std::vector<bool>&, double, const Tensor&)> sum;
// gy with size 1 along summed axes, factor, gx = factor * gy repeated
extern Kernel<void(const Tensor&, double, const Tensor&)> sum_backward;
// x, axis, y, index i32 like y (undefined: not wanted);  gy, index, axis, gx
extern Kernel<void(const Tensor&, int, const Tensor&, const Tensor&)> max_forward;
extern Kernel<void(const Tensor&, const Tensor&, int, const Tensor&)> max_backward;
}  // namespace kernels

}  // namespace munet
