// shape: the bodies of shape_twins.h as CUDA kernels.
#include "ops_cuda/shape_twins.h"

#include "ops_cuda/cuda.h"
#include "ops_cuda/register.h"

namespace munet::cuda {

void register_shape() {
  shape_twins<OnDevice>([](auto& slot, auto* body) { slot.cuda = body; });
}

}  // namespace munet::cuda
