// Convolution: checks, calls of tensor/cpu/conv.h, gradients, and the fused form for inference.
#include "autograd/ops/conv.h"

#include <algorithm>
#include <type_traits>
#include <vector>

#include "autograd/node.h"
#include "tensor/cpu/conv.h"
#include "tensor/parallel.h"

namespace munet {
namespace {

// The sizes for the loops; x and y may be any shapes where only the weights matter.
cpu::ConvShape sizes(const Shape& x, const Shape& w, const Shape& y, Conv2dOptions options) {
  return {.n = x[0],
          .h = x[1],
          .w = x[2],
          .c = x[3],
          .o = w[0],
          .kh = w[1],
          .kw = w[2],
          .stride = options.stride,
          .top = options.padding,
          .left = options.padding,
          .oh = y[1],
          .ow = y[2]};
}

}  // namespace

namespace kernels {
namespace {

template <class T>
const T* data_or_null(const Tensor& x) {
  return x ? x.data<T>() : nullptr;
}

void conv2d_forward_cpu(const Tensor& x, const Tensor& w, const Tensor& bias, Conv2dOptions options,
                        const Tensor& y) {
  for_float(x.dtype(), "conv2d", [&](auto zero) {
    using T = decltype(zero);
    const cpu::ConvShape s = sizes(x.shape(), w.shape(), y.shape(), options);
    cpu::conv2d<T>(s, x.data<T>(), cpu::pack_weights(s, cpu::plain_weights<T>(s, w.data<T>())),
                   {.bias = data_or_null<T>(bias)}, y.data<T>());
  });
}

void conv2d_grad_x_cpu(const Tensor& gy, const Tensor& w, Conv2dOptions options, const Tensor& gx) {
  for_float(gy.dtype(), "conv2d", [&](auto zero) {
    using T = decltype(zero);
    cpu::conv2d_grad_x(sizes(gx.shape(), w.shape(), gy.shape(), options), gy.data<T>(), w.data<T>(),
                       gx.data<T>());
  });
}

void conv2d_grad_w_cpu(const Tensor& gy, const Tensor& x, Conv2dOptions options, const Tensor& gw) {
  for_float(gy.dtype(), "conv2d", [&](auto zero) {
    using T = decltype(zero);
    cpu::conv2d_grad_w(sizes(x.shape(), gw.shape(), gy.shape(), options), gy.data<T>(), x.data<T>(),
                       gw.data<T>());
  });
}

// gbias[o] = sum of gy over all positions, in f64.
void conv2d_grad_bias_cpu(const Tensor& gy, const Tensor& gbias) {
  for_float(gy.dtype(), "conv2d", [&](auto zero) {
    using T = decltype(zero);
    const int64_t o = gbias.numel(), rows = gy.numel() / std::max<int64_t>(o, 1);
    const T* from = gy.data<T>();
    T* to = gbias.data<T>();
    parallel_for(o, 16, [&](int64_t begin, int64_t end) {
      std::vector<double> total(std::size_t(end - begin));
      for (int64_t row = 0; row < rows; ++row)
        for (int64_t i = begin; i < end; ++i) total[std::size_t(i - begin)] += from[row * o + i];
      for (int64_t i = begin; i < end; ++i) to[i] = T(total[std::size_t(i - begin)]);
    });
  });
}

void prepare_conv2d_cpu(const Tensor& w, PreparedConv2d& prepared) {
  if (w.dtype() != DType::f32) {
    prepared.weight = w.clone();
    return;
  }
  const cpu::ConvShape s = sizes(w.shape(), w.shape(), w.shape(), prepared.options);
  prepared.packed = std::make_shared<cpu::ConvWeights<float>>(
      cpu::pack_weights(s, cpu::plain_weights<float>(s, w.data<float>()), true));
}

void conv2d_fused_cpu(const Tensor& x, const PreparedConv2d& prepared, const Tensor& add,
                      Activation activation, const Tensor& y) {
  for_float(x.dtype(), "conv2d_fused", [&](auto zero) {
    using T = decltype(zero);
    const cpu::ConvShape s = sizes(x.shape(), prepared.w, y.shape(), prepared.options);
    const cpu::Epilogue<T> epilogue = {
        .bias = data_or_null<T>(prepared.bias),
        .add = data_or_null<T>(add),
        .add_rows = add ? add.numel() / std::max<int64_t>(s.o, 1) : 1,
        .relu = activation == Activation::relu};
    if constexpr (std::is_same_v<T, float>)
      cpu::conv2d(s, x.data<T>(), *prepared.packed, epilogue, y.data<T>());
    else
      cpu::conv2d(s, x.data<T>(),
                  cpu::pack_weights(s, cpu::plain_weights<T>(s, prepared.weight.data<T>())),
                  epilogue, y.data<T>());
  });
}

}  // namespace

Kernel<void(const Tensor&, const Tensor&, const Tensor&, Conv2dOptions, const Tensor&)>
    conv2d_forward{"conv2d_forward", conv2d_forward_cpu};
Kernel<void(const Tensor&, const Tensor&, Conv2dOptions, const Tensor&)> conv2d_grad_x{
    "conv2d_grad_x", conv2d_grad_x_cpu};
Kernel<void(const Tensor&, const Tensor&, Conv2dOptions, const Tensor&)> conv2d_grad_w{
    "conv2d_grad_w", conv2d_grad_w_cpu};
Kernel<void(const Tensor&, const Tensor&)> conv2d_grad_bias{"conv2d_grad_bias",
                                                            conv2d_grad_bias_cpu};
Kernel<void(const Tensor&, PreparedConv2d&)> prepare_conv2d{"prepare_conv2d", prepare_conv2d_cpu};
Kernel<void(const Tensor&, const PreparedConv2d&, const Tensor&, Activation, const Tensor&)>
    conv2d_fused{"conv2d_fused", conv2d_fused_cpu};

}  // namespace kernels

namespace {

void check_weights(const char* op, const Tensor& w, const Tensor& bias, Conv2dOptions options) {
  check<ShapeError>(w.rank() == 4 && w.dim(1) > 0 && w.dim(2) > 0, op,
                    ": expected w [o,kh,kw,c]; w is ", w.shape());
  check<ShapeError>(!bias || bias.shape() == Shape{w.dim(0)}, op, ": expected bias [", w.dim(0),
                    "]; bias is ", bias.shape(), ", w is ", w.shape());
  check<ShapeError>(options.stride >= 1 && options.padding >= 0, op,
                    ": expected stride >= 1 and padding >= 0; given stride ", options.stride,
                    ", padding ", options.padding);
  check<DTypeError>(!bias || bias.dtype() == w.dtype(), op, ": w is ", w.dtype(), " but bias is ",
                    bias.dtype());
  check<DeviceError>(!bias || bias.device() == w.device(), op, ": w is on ", w.device(),
                     " but bias is on ", bias.device());
}

// The result's shape for input x and weights of shape w.
Shape output_shape(const char* op, const Tensor& x, const Shape& w, Conv2dOptions options) {
  check<ShapeError>(x.rank() == 4, op, ": expected x [n,h,w,c]; x is ", x.shape(), ", w is ", w);
  check<ShapeError>(x.dim(3) == w[3], op, ": x has ", x.dim(3), " channels but w expects ", w[3],
                    "; x is ", x.shape(), ", w is ", w);
  const int64_t h = x.dim(1) + int64_t{2} * options.padding - w[1],
                v = x.dim(2) + int64_t{2} * options.padding - w[2];
  check<ShapeError>(h >= 0 && v >= 0, op, ": the kernel is larger than the padded input; x is ",
                    x.shape(), ", w is ", w, ", padding ", options.padding);
  return {x.dim(0), h / options.stride + 1, v / options.stride + 1, w[0]};
}

void check_kind(const char* op, const Tensor& x, const char* name, const Tensor& other) {
  check<DTypeError>(x.dtype() == other.dtype(), op, ": x is ", x.dtype(), " but ", name, " is ",
                    other.dtype());
  check<DeviceError>(x.device() == other.device(), op, ": x is on ", x.device(), " but ", name,
                     " is on ", other.device());
}

}  // namespace

Tensor conv2d(const Tensor& x, const Tensor& w, const Tensor& bias, Conv2dOptions options) {
  check_weights("conv2d", w, bias, options);
  Tensor y = Tensor::empty(output_shape("conv2d", x, w.shape(), options), x.dtype(), x.device());
  check_kind("conv2d", x, "w", w);
  kernels::conv2d_forward(y.device(), x, w, bias, options, y);
  if (!recording(x, w, bias)) return y;
  const bool need_x = x.requires_grad(), need_w = w.requires_grad(),
             need_bias = bias.requires_grad();
  return record(y, "conv2d", {x, w, bias},
                [x = x.detach(), w = w.detach(), options, need_x, need_w,
                 need_bias](const Tensor& gy) -> Tensors {
                  Tensor gx, gw, gbias;
                  if (need_x) {
                    gx = Tensor::empty(x.shape(), x.dtype(), x.device());
                    kernels::conv2d_grad_x(gx.device(), gy, w, options, gx);
                  }
                  if (need_w) {
                    gw = Tensor::empty(w.shape(), w.dtype(), w.device());
                    kernels::conv2d_grad_w(gw.device(), gy, x, options, gw);
                  }
                  if (need_bias) {
                    gbias = Tensor::empty({w.dim(0)}, w.dtype(), w.device());
                    kernels::conv2d_grad_bias(gbias.device(), gy, gbias);
                  }
                  return {gx, gw, gbias};
                });
}

std::shared_ptr<const PreparedConv2d> prepare_conv2d(const Tensor& w, const Tensor& bias,
                                                     Conv2dOptions options) {
  check_weights("prepare_conv2d", w, bias, options);
  PreparedConv2d prepared = {w.shape(), w.dtype(), w.device(), options};
  if (bias) prepared.bias = bias.detach().clone();
  kernels::prepare_conv2d(w.device(), w, prepared);
  return std::make_shared<PreparedConv2d>(std::move(prepared));
}

int64_t packed_bytes(const PreparedConv2d& prepared) {
  const auto bytes = [](const Tensor& x) { return x ? x.bytes() : 0; };
  return bytes(prepared.weight) + bytes(prepared.bias) +
         (prepared.packed ? int64_t(prepared.packed->storage->bytes()) : 0);
}

Tensor conv2d_fused(const Tensor& x, const PreparedConv2d& prepared, const Tensor& add,
                    Activation activation) {
  check(!recording(x, add), "conv2d_fused: has no gradient; use conv2d, or hold a NoGrad");
  Tensor y = Tensor::empty(output_shape("conv2d_fused", x, prepared.w, prepared.options), x.dtype(),
                           x.device());
  check<DTypeError>(x.dtype() == prepared.dtype, "conv2d_fused: x is ", x.dtype(), " but w is ",
                    prepared.dtype);
  check<DeviceError>(x.device() == prepared.device, "conv2d_fused: x is on ", x.device(),
                     " but w is on ", prepared.device);
  if (add) {
    Shape shared = y.shape();
    shared.set(0, 1);
    check<ShapeError>(add.shape() == y.shape() || add.shape() == shared,
                      "conv2d_fused: expected add ", y.shape(), " or ", shared, "; add is ",
                      add.shape(), ", x is ", x.shape());
    check_kind("conv2d_fused", x, "add", add);
  }
  kernels::conv2d_fused(y.device(), x, prepared, add, activation, y);
  return y;
}

}  // namespace munet
