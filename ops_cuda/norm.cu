// CUDA twin of autograd/ops/norm.cpp.
#include "ops_cuda/cuda.h"
#include "ops_cuda/register.h"

namespace munet::cuda {

void register_norm() {}

}  // namespace munet::cuda
