// The layers that the network is made of. Each is called with what its mathematics needs.
#pragma once

#include <memory>

#include "autograd/ops/conv.h"
#include "autograd/ops/norm.h"
#include "nn/module.h"
#include "tensor/random.h"

namespace munet::nn {

struct Conv2dLayerOptions {
  int stride = 1;
  int padding = 0;
  bool bias = true;
};

// Convolution with weight [o,kh,kw,c] (torch's [o,c,kh,kw] only in files) and bias [o].
// New: U(+-1/sqrt(fan_in)) for both, PyTorch's default, and both require gradients.
struct Conv2d : Module {
  Conv2d() = default;
  Conv2d(int in, int out, int kernel, Conv2dLayerOptions options, Rng& rng);

  // y = activation(conv(x) + bias + add). add: undefined, y's shape, or y's shape with n = 1.
  // Frozen: one call of the fused kernel, with the batch norm inside if freeze() folded one; Error
  // unless a NoGrad lives. Else recorded ops; for f16 and bf16 x the weights are cast to it.
  Tensor operator()(const Tensor& x, const Tensor& add = {},
                    Activation activation = Activation::none) const;

  void visit(Visitor& v) override;
  bool frozen() const override { return prepared != nullptr; }

  Tensor weight, bias;  // bias undefined if the layer has none
  Conv2dOptions options;
  std::shared_ptr<const PreparedConv2d> prepared;  // set by freeze(), cleared by thaw()
  bool folded = false;  // a batch norm is inside `prepared`; also freeze()'s
};

// Batch normalisation; statistics are frozen (running ones are used, in training too) unless
// `batch_statistics` is set and the module is in training mode: this family's custom.
struct BatchNorm2d : Module {
  BatchNorm2d() = default;
  explicit BatchNorm2d(int channels);  // weight 1, bias 0, running_mean 0, running_var 1
  Tensor operator()(const Tensor& x);
  void visit(Visitor& v) override;

  Tensor weight, bias, running_mean, running_var;  // [c]; weight and bias are parameters
  double eps = 1e-5, momentum = 0.1;
  bool batch_statistics = false;
};

// y = activation(bn(conv(x) + add_before) + add): the block of every ResNet. If conv is frozen, bn
// is already inside its weights and all of it is one fused call (Error if bn is not: the block's
// visit() did not name the pair by Visitor::fold).
//
// A sum of convolutions before one bn, as in a stem that also sees a mask, reads the same frozen or
// not; one of the convolutions is folded with the shift, and the shared part may have n = 1:
//   const Tensor shared = conv1(rgb);                             // visit(): v.fold(conv1, bn1,
//   true) y = conv_bn(conv1_m, bn1, mask, {.add_before = shared, ...})  //          v.fold(conv1_m,
//   bn1, false)
struct ConvBnInputs {
  Tensor add_before = {};  // inside the normalisation (already folded where conv is frozen)
  Tensor add = {};         // residual
  Activation activation = Activation::none;
};
Tensor conv_bn(const Conv2d& conv, BatchNorm2d& bn, const Tensor& x,
               const ConvBnInputs& inputs = {});

}  // namespace munet::nn
