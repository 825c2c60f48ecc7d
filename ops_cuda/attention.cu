// CUDA twin of autograd/ops/attention.cpp.
#include "ops_cuda/attention_twins.h"
#include "ops_cuda/cuda.h"
#include "ops_cuda/register.h"

namespace munet::cuda {

void register_attention() {
  attention_twins<OnDevice>([](auto& kernel, auto* body) { kernel.cuda = body; });
}

}  // namespace munet::cuda
