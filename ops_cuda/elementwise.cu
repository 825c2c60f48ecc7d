// CUDA twin of autograd/ops/elementwise.cpp.
#include "ops_cuda/cuda.h"
#include "ops_cuda/register.h"

namespace munet::cuda {

void register_elementwise() {}

}  // namespace munet::cuda
