// Start values of weights. All draw from a counter-based stream (tensor/random.h): element i of x,
// in memory order, is value rng.next + i (normal: the values 2i and 2i+1 of a stream derived from
// it), so that the numbers do not depend on the number of threads.
#pragma once

#include <string_view>

#include "tensor/random.h"
#include "tensor/tensor.h"

namespace munet::nn {

// The stream of the tensor `name` under `seed`: what a tensor starts with does not depend on which
// other tensors there are, or on their order.
Rng named_rng(uint64_t seed, std::string_view name);

// While one lives, what its thread starts is left unset: for modules that are loaded at once.
class SkipInit {
 public:
  SkipInit();
  ~SkipInit();
  SkipInit(const SkipInit&) = delete;
  SkipInit& operator=(const SkipInit&) = delete;

 private:
  bool before_;
};

// x = U(low, high) / N(mean, deviation), in place; rng moves on. DTypeError unless x is f32 or f64,
// DeviceError unless it lies on the CPU.
void fill_uniform(const Tensor& x, double low, double high, Rng& rng);
void fill_normal(const Tensor& x, double mean, double deviation, Rng& rng);

// PyTorch's default for a convolution: w and bias (may be undefined) from U(+-1/sqrt(fan_in)),
// fan_in = kh kw c. w [o,kh,kw,c].
void fill_conv_default(const Tensor& w, const Tensor& bias, Rng& rng);

// He et al. 2015, eq. 14, as torchvision starts a ResNet: N(0, sqrt(2 / fan_out)), fan_out = kh kw
// o.
void fill_kaiming_normal(const Tensor& w, Rng& rng);

}  // namespace munet::nn
