// CUDA twin of autograd/ops/correlation.cpp.
#include "ops_cuda/cuda.h"
#include "ops_cuda/register.h"

namespace munet::cuda {

void register_correlation() {}

}  // namespace munet::cuda
