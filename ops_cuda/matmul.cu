// CUDA twin of autograd/ops/matmul.cpp.
#include "ops_cuda/cuda.h"
#include "ops_cuda/register.h"

namespace munet::cuda {

void register_matmul() {}

}  // namespace munet::cuda
