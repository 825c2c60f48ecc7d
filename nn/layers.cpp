#include "nn/layers.h"

#include "autograd/node.h"
#include "autograd/ops/elementwise.h"
#include "nn/init.h"

namespace munet::nn {
namespace {

Tensor activate(const Tensor& x, Activation activation) {
  return activation == Activation::relu ? relu(x) : x;
}

}  // namespace

Conv2d::Conv2d(int in, int out, int kernel, Conv2dLayerOptions given, Rng& rng)
    : options{.stride = given.stride, .padding = given.padding} {
  check<ShapeError>(in > 0 && out > 0 && kernel > 0, "Conv2d: expected positive sizes; given in ",
                    in, ", out ", out, ", kernel ", kernel);
  weight = Tensor::empty({out, kernel, kernel, in});
  if (given.bias) bias = Tensor::empty({out});
  fill_conv_default(weight, bias, rng);
  weight.set_requires_grad();
  if (bias) bias.set_requires_grad();
}

Tensor Conv2d::operator()(const Tensor& x, const Tensor& add, Activation activation) const {
  if (prepared) {
    check(!grad_enabled(), "Conv2d: a frozen layer has no gradient; use NoGrad, or thaw() it");
    return conv2d_fused(x, *prepared, add, activation);
  }
  const bool half_x = x.dtype() == DType::f16 || x.dtype() == DType::bf16;
  const auto as_x = [&](const Tensor& w) { return w && half_x ? cast(w, x.dtype()) : w; };
  Tensor y = conv2d(x, as_x(weight), as_x(bias), options);
  if (add) y = munet::add(y, add);
  return activate(y, activation);
}

void Conv2d::visit(Visitor& v) {
  v("weight", weight);
  if (bias) v("bias", bias);
}

BatchNorm2d::BatchNorm2d(int channels)
    : weight(Tensor::full({channels}, 1)),
      bias(Tensor::zeros({channels})),
      running_mean(Tensor::zeros({channels})),
      running_var(Tensor::full({channels}, 1)) {
  weight.set_requires_grad();
  bias.set_requires_grad();
}

Tensor BatchNorm2d::operator()(const Tensor& x) {
  return batch_norm(x, weight, bias, running_mean, running_var,
                    {.training = training && batch_statistics, .eps = eps, .momentum = momentum});
}

void BatchNorm2d::visit(Visitor& v) {
  v("weight", weight);
  v("bias", bias);
  v("running_mean", running_mean, Role::buffer);
  v("running_var", running_var, Role::buffer);
}

Tensor conv_bn(const Conv2d& conv, BatchNorm2d& bn, const Tensor& x, const ConvBnInputs& inputs) {
  if (conv.frozen()) {
    check(conv.folded,
          "conv_bn: the convolution is frozen without its batch norm; name the pair in visit() by "
          "Visitor::fold");
    const bool both = inputs.add_before && inputs.add;
    const Tensor& either = inputs.add ? inputs.add : inputs.add_before;
    return conv(x, both ? add(inputs.add_before, inputs.add) : either, inputs.activation);
  }
  Tensor y = bn(conv(x, inputs.add_before));
  if (inputs.add) y = add(y, inputs.add);
  return activate(y, inputs.activation);
}

}  // namespace munet::nn
