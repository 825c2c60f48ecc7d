// norm: the bodies of norm_twins.h as CUDA kernels.
#include "ops_cuda/norm_twins.h"

#include "ops_cuda/cuda.h"
#include "ops_cuda/register.h"

namespace munet::cuda {

void register_norm() {
  norm_twins<OnDevice>([](auto& slot, auto* body) { slot.cuda = body; });
}

}  // namespace munet::cuda
