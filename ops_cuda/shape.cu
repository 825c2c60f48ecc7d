// CUDA twin of autograd/ops/shape.cpp.
#include "ops_cuda/cuda.h"
#include "ops_cuda/register.h"

namespace munet::cuda {

void register_shape() {}

}  // namespace munet::cuda
