// What training does to all parameters at once, outside the tape: one kernel over many tensors.
// nn/optim.h has the equations. f32 error of p, m and v after a step: 1e-7 of the norm.
#pragma once

#include <vector>

#include "tensor/kernel.h"
#include "tensor/tensor.h"

namespace munet::kernels {

// One parameter's step: p, its gradient g, the moments m and v, all of one shape, f32 or f64.
struct AdamWStep {
  Tensor p, g, m, v;
  double keep;  // 1 - lr * decay
  double size;  // -lr / (1 - beta1^t)
  double root;  // sqrt(1 - beta2^t)
};
struct AdamWConstants {
  double beta1, beta2, eps;
};
extern Kernel<void(const std::vector<AdamWStep>&, AdamWConstants)> adamw;

// The sum of squares of each tensor, in f64. Waits for the device.
extern Kernel<std::vector<double>(const Tensors&)> sums_of_squares;

// to += rest * (from - to), tensor by tensor.
extern Kernel<void(const Tensors& to, const Tensors& from, double rest)> move_toward;

// Each tensor times a factor, in place.
extern Kernel<void(const Tensors&, double)> scale_all;

}  // namespace munet::kernels
