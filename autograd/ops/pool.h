// Pooling.
#pragma once

#include "tensor/kernel.h"
#include "tensor/tensor.h"

namespace munet {

struct Pool2dOptions {
  int kernel = 2, stride = 2, padding = 0;  // padding never wins a maximum; at most kernel / 2
};
// x [n,h,w,c] -> [n,oh,ow,c], oh = (h+2*padding-kernel)/stride+1. Gradient: x, to the first
// position of each window (row by row) that holds the maximum; windows may overlap.
Tensor max_pool2d(const Tensor& x, Pool2dOptions options);

// Mean over h and w: [n,h,w,c] -> [n,1,1,c]. Gradient: x. f32 error, of both: 6e-8 of the norm.
Tensor global_avg_pool(const Tensor& x);

namespace kernels {
// x, options, y, tap of each maximum (i32 like y: row * kernel + column in the window; undefined =
// not wanted);  gy, taps, options, gx
extern Kernel<void(const Tensor&, Pool2dOptions, const Tensor&, const Tensor&)> max_pool2d_forward;
extern Kernel<void(const Tensor&, const Tensor&, Pool2dOptions, const Tensor&)> max_pool2d_backward;
// x, y;  gy, gx
extern Kernel<void(const Tensor&, const Tensor&)> global_avg_pool_forward;
extern Kernel<void(const Tensor&, const Tensor&)> global_avg_pool_backward;
}  // namespace kernels

}  // namespace munet
