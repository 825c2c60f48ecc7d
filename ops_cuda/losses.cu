// CUDA twin of autograd/ops/losses.cpp.
#include "ops_cuda/cuda.h"
#include "ops_cuda/register.h"

namespace munet::cuda {

void register_losses() {}

}  // namespace munet::cuda
