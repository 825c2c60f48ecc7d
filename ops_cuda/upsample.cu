// upsample: the bodies of upsample_twins.h as CUDA kernels.
#include "ops_cuda/upsample_twins.h"

#include "ops_cuda/cuda.h"
#include "ops_cuda/register.h"

namespace munet::cuda {

void register_upsample() {
  upsample_twins<OnDevice>([](auto& slot, auto* body) { slot.cuda = body; });
}

}  // namespace munet::cuda
