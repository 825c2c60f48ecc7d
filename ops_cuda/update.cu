// CUDA twin of autograd/ops/update.cpp.
#include "ops_cuda/cuda.h"
#include "ops_cuda/register.h"

namespace munet::cuda {

void register_update() {}

}  // namespace munet::cuda
