// Convolution, and its fused form for inference. The loops are in tensor/cpu/conv.h.
#pragma once

#include <memory>

#include "tensor/kernel.h"
#include "tensor/tensor.h"

namespace munet {

namespace cpu {
template <class T>
struct ConvWeights;
}

struct Conv2dOptions {
  int stride = 1;
  int padding = 0;  // zeros on all four sides, pixels
};

// Cross-correlation, as every deep-learning library calls convolution:
//   y[n,i,j,o] = bias[o] + sum over p,q,c of
//                x[n, i*stride+p-padding, j*stride+q-padding, c] * w[o,p,q,c]
// x [n,h,w,c], w [o,kh,kw,c], bias [o] or undefined -> y [n,oh,ow,o],
// oh = (h+2*padding-kh)/stride+1. Gradients: x, w, bias. ShapeError on mismatched channels, a
// kernel larger than the padded input, stride < 1, padding < 0. f32 errors: see tensor/cpu/conv.h.
Tensor conv2d(const Tensor& x, const Tensor& w, const Tensor& bias = {},
              Conv2dOptions options = {});

enum class Activation { none, relu };

// Weights as the fast kernels want them (packed panels): made once, used for every frame. They do
// not follow later changes of w.
struct PreparedConv2d {
  Shape w;
  DType dtype;
  Device device;
  Conv2dOptions options = {};
  Tensor bias = {};
  std::shared_ptr<const cpu::ConvWeights<float>> packed = {};  // by the CPU's kernels for f32
  Tensor weight = {};                                          // a copy of w in all other cases
};
std::shared_ptr<const PreparedConv2d> prepare_conv2d(const Tensor& w, const Tensor& bias,
                                                     Conv2dOptions options);
// Memory that the prepared weights take.
int64_t packed_bytes(const PreparedConv2d& prepared);

// y = activation(conv2d(x) + bias + add) in one pass over y. add: undefined, or y's shape, or y's
// shape with n = 1 (shared by the batch). No gradient: Error while recording.
Tensor conv2d_fused(const Tensor& x, const PreparedConv2d& prepared, const Tensor& add = {},
                    Activation activation = Activation::none);

namespace kernels {
// x, w, bias or undefined, options, y;  gy, w, options, gx;  gy, x, options, gw;  gy, gbias
extern Kernel<void(const Tensor&, const Tensor&, const Tensor&, Conv2dOptions, const Tensor&)>
    conv2d_forward;
extern Kernel<void(const Tensor&, const Tensor&, Conv2dOptions, const Tensor&)> conv2d_grad_x;
extern Kernel<void(const Tensor&, const Tensor&, Conv2dOptions, const Tensor&)> conv2d_grad_w;
extern Kernel<void(const Tensor&, const Tensor&)> conv2d_grad_bias;
// w, prepared (packed or weight is filled in)
extern Kernel<void(const Tensor&, PreparedConv2d&)> prepare_conv2d;
// x, prepared, add or undefined, activation, y
extern Kernel<void(const Tensor&, const PreparedConv2d&, const Tensor&, Activation, const Tensor&)>
    conv2d_fused;
}  // namespace kernels

}  // namespace munet
