// Makes the op table's tests run on the CUDA kernels' bodies, played by the host: before they
// start, the twins take the CPU's places. Linked into twin_test only.
#include "ops_cuda/attention_twins.h"
#include "ops_cuda/conv_twins.h"
#include "ops_cuda/correlation_twins.h"
#include "ops_cuda/elementwise_twins.h"
#include "ops_cuda/losses_twins.h"
#include "ops_cuda/matmul_twins.h"
#include "ops_cuda/norm_twins.h"
#include "ops_cuda/pool_twins.h"
#include "ops_cuda/reduce_twins.h"
#include "ops_cuda/shape_twins.h"
#include "ops_cuda/softmax_twins.h"
#include "ops_cuda/update_twins.h"
#include "ops_cuda/upsample_twins.h"
#include "tests/ops/harness.h"

namespace munet::cuda {

void multiply(OnHost, const MatrixProduct& p) { multiply_tiles<OnHost>(p); }

}  // namespace munet::cuda

namespace {

using namespace munet;
using cuda::OnHost;

// The CPU's own bodies stay within reach in the other slot, for direct comparison.
constexpr auto kExchange = [](auto& kernel, auto* body) {
  kernel.cuda = kernel.cpu;
  kernel.cpu = body;
};

[[maybe_unused]] const bool replaced = [] {
  kernels::matmul.cpu = cuda::matmul<OnHost>;
  kernels::conv2d_forward.cpu = cuda::conv2d_forward<OnHost>;
  kernels::conv2d_grad_x.cpu = cuda::conv2d_grad_x<OnHost>;
  kernels::conv2d_grad_w.cpu = cuda::conv2d_grad_w<OnHost>;
  kernels::conv2d_grad_bias.cpu = cuda::conv2d_grad_bias<OnHost>;
  kernels::prepare_conv2d.cpu = cuda::prepare_conv2d;
  kernels::conv2d_fused.cpu = cuda::conv2d_fused<OnHost>;
  kernels::match_window_forward.cpu = cuda::match_window_forward<OnHost>;
  kernels::match_window_backward.cpu = cuda::match_window_backward<OnHost>;
  kernels::cost_volume_forward.cpu = cuda::cost_volume_forward<OnHost>;
  cuda::attention_twins<OnHost>(kExchange);
  cuda::elementwise_twins<OnHost>(kExchange);
  cuda::losses_twins<OnHost>(kExchange);
  cuda::norm_twins<OnHost>(kExchange);
  cuda::pool_twins<OnHost>(kExchange);
  cuda::reduce_twins<OnHost>(kExchange);
  cuda::shape_twins<OnHost>(kExchange);
  cuda::softmax_twins<OnHost>(kExchange);
  cuda::update_twins<OnHost>(kExchange);
  cuda::upsample_twins<OnHost>(kExchange);
  return other_bodies = true;
}();

}  // namespace
