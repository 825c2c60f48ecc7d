// CUDA twin of autograd/ops/upsample.cpp.
#include "ops_cuda/cuda.h"
#include "ops_cuda/register.h"

namespace munet::cuda {

void register_upsample() {}

}  // namespace munet::cuda
