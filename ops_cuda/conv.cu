// CUDA twin of autograd/ops/conv.cpp: cuDNN where it has an engine, our own products elsewhere.
#include "ops_cuda/conv_cudnn.h"
#include "ops_cuda/conv_twins.h"
#include "ops_cuda/cuda.h"
#include "ops_cuda/register.h"
#include "tensor/tally.h"

namespace munet::cuda {
namespace {

ConvCall call_of(ConvKind kind, const Tensor& x, const Tensor& w, const Tensor& y,
                 Conv2dOptions options) {
  return {.kind = kind,
          .sizes = conv_sizes(x.shape(), w.shape(), y.shape(), options),
          .type = x.dtype(),
          .device = x.device(),
          .x = x.raw(),
          .w = w.raw(),
          .y = y.raw()};
}

// y = activation(y + bias + add) in place.
void finish(const ConvCall& call, const Tensor& y) {
  for_stored(call.type, "conv2d", [&](auto zero) {
    using T = decltype(zero);
    const ConvSizes& s = call.sizes;
    const Epilogue<T> epilogue{static_cast<const T*>(call.bias),
                               static_cast<const T*>(call.add),
                               (call.shared_add ? 1 : s.n) * int64_t(s.oh) * s.ow,
                               call.relu,
                               y.data<T>(),
                               s.o};
    OnDevice::loop("conv2d_epilogue", y.numel(), EpilogueLoop<T>{epilogue, Divider(s.o)});
  });
}

// Who serves calls is counted (tensor/tally.h).
bool by_cudnn(const ConvCall& call) {
  const bool served = run_cudnn(call);
  tally(str(name(call.kind), served ? ": cuDNN" : ": own kernel"));
  return served;
}

// In one call, else convolution and epilogue one after the other, else by our own kernel.
bool fused_by_cudnn(const ConvCall& call, const Tensor& y) {
  if (run_cudnn(call)) {
    tally("conv2d: cuDNN, all in one graph");
    return true;
  }
  ConvCall plain = call;
  plain.bias = plain.add = nullptr;
  plain.relu = plain.shared_add = false;
  if (!run_cudnn(plain)) {
    tally("conv2d: own kernel");
    return false;
  }
  finish(call, y);
  tally("conv2d: cuDNN, then our epilogue");
  return true;
}

void forward(const Tensor& x, const Tensor& w, const Tensor& bias, Conv2dOptions options,
             const Tensor& y) {
  ConvCall call = call_of(ConvKind::forward, x, w, y, options);
  call.bias = bias.raw();
  if (!fused_by_cudnn(call, y)) conv2d_forward<OnDevice>(x, w, bias, options, y);
}

void fused(const Tensor& x, const PreparedConv2d& prepared, const Tensor& add,
           Activation activation, const Tensor& y) {
  ConvCall call = call_of(ConvKind::forward, x, prepared.weight, y, prepared.options);
  call.bias = prepared.bias.raw();
  call.add = add.raw();
  call.shared_add = add && add.dim(0) == 1 && y.dim(0) > 1;
  call.relu = activation == Activation::relu;
  if (!fused_by_cudnn(call, y)) conv2d_fused<OnDevice>(x, prepared, add, activation, y);
}

void grad_x(const Tensor& gy, const Tensor& w, Conv2dOptions options, const Tensor& gx) {
  if (!by_cudnn(call_of(ConvKind::grad_x, gx, w, gy, options)))
    conv2d_grad_x<OnDevice>(gy, w, options, gx);
}

void grad_w(const Tensor& gy, const Tensor& x, Conv2dOptions options, const Tensor& gw) {
  if (!by_cudnn(call_of(ConvKind::grad_w, x, gw, gy, options)))
    conv2d_grad_w<OnDevice>(gy, x, options, gw);
}

}  // namespace

void register_conv() {
  kernels::conv2d_forward.cuda = forward;
  kernels::conv2d_grad_x.cuda = grad_x;
  kernels::conv2d_grad_w.cuda = grad_w;
  kernels::conv2d_grad_bias.cuda = conv2d_grad_bias<OnDevice>;
  kernels::prepare_conv2d.cuda = prepare_conv2d;
  kernels::conv2d_fused.cuda = fused;
}

}  // namespace munet::cuda
