// elementwise: the bodies of elementwise_twins.h as CUDA kernels.
#include "ops_cuda/elementwise_twins.h"

#include "autograd/node.h"
#include "ops_cuda/cuda.h"
#include "ops_cuda/register.h"

namespace munet::cuda {

void register_elementwise() {
  cuda_add_into = add_into<OnDevice>;
  elementwise_twins<OnDevice>([](auto& slot, auto* body) { slot.cuda = body; });
}

}  // namespace munet::cuda
