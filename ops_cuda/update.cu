// update: the bodies of update_twins.h as CUDA kernels.
#include "ops_cuda/update_twins.h"

#include "ops_cuda/cuda.h"
#include "ops_cuda/register.h"

namespace munet::cuda {

void register_update() {
  update_twins<OnDevice>([](auto& slot, auto* body) { slot.cuda = body; });
}

}  // namespace munet::cuda
