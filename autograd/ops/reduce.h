// Sums, means and maxima over axes.
#pragma once

#include <vector>

#include "tensor/kernel.h"
#include "tensor/tensor.h"

namespace munet {

// Over the named axes (none named: all of them); they stay with size 1 if `keep`, else vanish.
// The CPU sums in f64. Gradients: x. ShapeError on an axis that is not there or named twice.
Tensor sum(const Tensor& x, const std::vector<int>& axes = {}, bool keep = false);
Tensor mean(const Tensor& x, const std::vector<int>& axes = {}, bool keep = false);

// Maximum along one axis. The gradient goes to the first position that holds it.
Tensor max(const Tensor& x, int axis, bool keep = false);

}  // namespace munet
