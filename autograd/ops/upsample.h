// Resizing of feature maps [n,h,w,c] -> [n,oh,ow,c], as PyTorch's interpolate.
#pragma once

#include "tensor/kernel.h"
#include "tensor/tensor.h"

namespace munet {

struct ResizeOptions {
  int64_t height = 0, width = 0;  // of the result
  bool align_corners = false;     // true: the corner pixels' centres coincide
};
// Bilinear. Source coordinate of row i: align_corners ? i*(h-1)/(oh-1) : max((i+.5)*h/oh-.5, 0),
// neighbours clamped to the edge. Not antialiased (data/ is). Gradient: x. f32 error of both: 2e-7.
Tensor upsample_bilinear(const Tensor& x, ResizeOptions options);

// Nearest: source row floor(i*h/oh). Gradient: x.
Tensor upsample_nearest(const Tensor& x, ResizeOptions options);

namespace kernels {
// x, nearest (else bilinear), options, y;  gy, nearest, options, gx
extern Kernel<void(const Tensor&, bool, ResizeOptions, const Tensor&)> resize_forward;
extern Kernel<void(const Tensor&, bool, ResizeOptions, const Tensor&)> resize_backward;
}  // namespace kernels

}  // namespace munet
