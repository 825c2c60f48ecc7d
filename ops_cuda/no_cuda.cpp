// Linked instead of backend.cu when munet is built without CUDA.
#include "tensor/device.h"
#include "tensor/error.h"

namespace munet {

const Backend& cuda_backend() {
  throw DeviceError("Device::cuda: this build has no CUDA (configure with --preset cuda)");
}

bool register_cuda_kernels() { return false; }

}  // namespace munet
