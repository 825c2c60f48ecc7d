// softmax: the bodies of softmax_twins.h as CUDA kernels.
#include "ops_cuda/softmax_twins.h"

#include "ops_cuda/cuda.h"
#include "ops_cuda/register.h"

namespace munet::cuda {

void register_softmax() {
  softmax_twins<OnDevice>([](auto& slot, auto* body) { slot.cuda = body; });
}

}  // namespace munet::cuda
