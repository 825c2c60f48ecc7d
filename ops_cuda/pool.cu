// pool: the bodies of pool_twins.h as CUDA kernels.
#include "ops_cuda/pool_twins.h"

#include "ops_cuda/cuda.h"
#include "ops_cuda/register.h"

namespace munet::cuda {

void register_pool() {
  pool_twins<OnDevice>([](auto& slot, auto* body) { slot.cuda = body; });
}

}  // namespace munet::cuda
