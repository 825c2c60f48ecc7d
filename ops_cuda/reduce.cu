// CUDA twin of autograd/ops/reduce.cpp.
#include "ops_cuda/cuda.h"
#include "ops_cuda/register.h"

namespace munet::cuda {

void register_reduce() {}

}  // namespace munet::cuda
