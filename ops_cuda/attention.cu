// CUDA twin of autograd/ops/attention.cpp.
#include "ops_cuda/cuda.h"
#include "ops_cuda/register.h"

namespace munet::cuda {

void register_attention() {}

}  // namespace munet::cuda
