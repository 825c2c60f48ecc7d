// CUDA twin of autograd/ops/attention.cpp.
#include "ops_cuda/attention_twins.h"
#include "ops_cuda/cuda.h"
#include "ops_cuda/register.h"

namespace munet::cuda {

void register_attention() {
  kernels::memory_read_forward.cuda = memory_read_forward<OnDevice>;
  kernels::memory_read_backward.cuda = memory_read_backward<OnDevice>;
  kernels::pack_memory.cuda = pack_memory;
  kernels::memory_read_slots.cuda = memory_read_slots<OnDevice>;
}

}  // namespace munet::cuda
