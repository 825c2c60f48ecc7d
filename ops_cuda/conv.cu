// CUDA twin of autograd/ops/conv.cpp.
#include "ops_cuda/cuda.h"
#include "ops_cuda/register.h"

namespace munet::cuda {

void register_conv() {}

}  // namespace munet::cuda
