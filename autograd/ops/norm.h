// Normalisation: batch statistics, and unit length along channels.
#pragma once

#include "tensor/kernel.h"
#include "tensor/tensor.h"

namespace munet {

struct BatchNormOptions {
  bool training = false;  // batch statistics, and the running ones are updated
  double eps = 1e-5;
  double momentum = 0.1;  // weight of the new statistics
};
// Batch normalisation over n, h, w for each channel (Ioffe & Szegedy 2015, alg. 1).
//   y = gamma * (x - mean) / sqrt(var + eps) + beta        var is the biased variance
// x [n,h,w,c] -> y [n,h,w,c]; gamma, beta, running_* [c]. f32 error 2e-7, gradients too.
// training: uses the batch and updates running_* with the unbiased variance; else uses running_*.
// Gradients: x, gamma, beta. ShapeError on mismatched c, Error if training with n*h*w == 1.
Tensor batch_norm(const Tensor& x, const Tensor& gamma, const Tensor& beta, Tensor& running_mean,
                  Tensor& running_var, BatchNormOptions options = {});

// y = x / max(|x|_2, eps) along the last axis. Gradient: x (where |x| < eps the divisor is
// constant). f32 error 2e-7 of the norm, gradient too.
Tensor l2_normalize(const Tensor& x, double eps = 1e-6);

namespace kernels {
// x, options, running_mean, running_var, mean, inverse_std. training: measured on x, and the
// running ones are updated; else taken from the running ones.
extern Kernel<void(const Tensor&, BatchNormOptions, const Tensor&, const Tensor&, const Tensor&,
                   const Tensor&)>
    batch_norm_statistics;
// x, mean, inverse_std, gamma, beta, y
extern Kernel<void(const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&,
                   const Tensor&)>
    batch_norm_forward;
// x, gy, mean, inverse_std, gamma, training, gx, ggamma, gbeta
extern Kernel<void(const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&, bool,
                   const Tensor&, const Tensor&, const Tensor&)>
    batch_norm_backward;
// x, eps, y;  x, gy, eps, gx
extern Kernel<void(const Tensor&, double, const Tensor&)> l2_normalize_forward;
extern Kernel<void(const Tensor&, const Tensor&, double, const Tensor&)> l2_normalize_backward;
}  // namespace kernels

}  // namespace munet
