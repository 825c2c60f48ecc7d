// losses: the bodies of losses_twins.h as CUDA kernels.
#include "ops_cuda/losses_twins.h"

#include "ops_cuda/cuda.h"
#include "ops_cuda/register.h"

namespace munet::cuda {

void register_losses() {
  losses_twins<OnDevice>([](auto& slot, auto* body) { slot.cuda = body; });
}

}  // namespace munet::cuda
