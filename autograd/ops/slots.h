// Every kernel there is, for lists of what a device lacks. A new kernel is added here too.
#pragma once

#include "autograd/ops.h"
#include "autograd/ops/update.h"

namespace munet {

// f(kernel) for each of them, topic by topic.
template <class F>
void for_each_kernel(F&& f) {
  using namespace kernels;
  const auto all = [&](auto&... kernel) { (f(kernel), ...); };
  all(kernels::binary, unary_forward, unary_backward, kernels::cast);
  all(kernels::sum, sum_backward, max_forward, max_backward);
  all(copy_box);
  all(kernels::matmul);
  all(conv2d_forward, conv2d_grad_x, conv2d_grad_w, conv2d_grad_bias, kernels::prepare_conv2d,
      kernels::conv2d_fused);
  all(batch_norm_statistics, batch_norm_forward, batch_norm_backward, l2_normalize_forward,
      l2_normalize_backward);
  all(max_pool2d_forward, max_pool2d_backward, global_avg_pool_forward, global_avg_pool_backward);
  all(resize_forward, resize_backward);
  all(softmax_forward, softmax_backward, cross_entropy_forward, cross_entropy_backward);
  all(soft_aggregate_forward, soft_aggregate_backward, mask_iou_forward, mask_iou_backward);
  all(match_window_forward, match_window_backward, cost_volume_forward);
  all(memory_read_forward, memory_read_backward, kernels::pack_memory, memory_read_slots,
      kernels::memory_read_padded, kernels::gather_memory);
  all(adamw, sums_of_squares, move_toward, scale_all);
}

}  // namespace munet
