// CUDA twin of autograd/ops/pool.cpp.
#include "ops_cuda/cuda.h"
#include "ops_cuda/register.h"

namespace munet::cuda {

void register_pool() {}

}  // namespace munet::cuda
