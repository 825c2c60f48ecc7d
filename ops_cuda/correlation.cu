// CUDA twin of autograd/ops/correlation.cpp.
#include "ops_cuda/correlation_twins.h"
#include "ops_cuda/cuda.h"
#include "ops_cuda/register.h"

namespace munet::cuda {

void register_correlation() {
  kernels::match_window_forward.cuda = match_window_forward<OnDevice>;
  kernels::match_window_backward.cuda = match_window_backward<OnDevice>;
  kernels::cost_volume_forward.cuda = cost_volume_forward<OnDevice>;
}

}  // namespace munet::cuda
