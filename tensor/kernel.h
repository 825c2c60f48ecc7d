// Kernel: one numerical routine, one body per device. The CPU body is set where the op is written;
// the CUDA body by ops_cuda's register_<topic>().
#pragma once

#include "tensor/device.h"
#include "tensor/error.h"

namespace munet {

template <class Signature>
struct Kernel;

template <class R, class... A>
struct Kernel<R(A...)> {
  const char* name;
  R (*cpu)(A...) = nullptr;
  R (*cuda)(A...) = nullptr;

  // Runs the body of `device`. An empty slot is a DeviceError that names the kernel.
  R operator()(Device device, A... a) const {
    R (*const body)(A...) = device.kind == Device::cpu ? cpu : cuda;
    if (!body)
      throw DeviceError(
          device.kind == Device::cpu
              ? str(name, ": no CPU kernel")
              : str(name, ": no CUDA kernel; move the inputs to the CPU (Tensor::to)"));
    return body(a...);
  }
};

}  // namespace munet
