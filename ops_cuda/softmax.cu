// CUDA twin of autograd/ops/softmax.cpp.
#include "ops_cuda/cuda.h"
#include "ops_cuda/register.h"

namespace munet::cuda {

void register_softmax() {}

}  // namespace munet::cuda
