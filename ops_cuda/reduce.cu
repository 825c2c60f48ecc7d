// reduce: the bodies of reduce_twins.h as CUDA kernels.
#include "ops_cuda/reduce_twins.h"

#include "ops_cuda/cuda.h"
#include "ops_cuda/register.h"

namespace munet::cuda {

void register_reduce() {
  reduce_twins<OnDevice>([](auto& slot, auto* body) { slot.cuda = body; });
}

}  // namespace munet::cuda
