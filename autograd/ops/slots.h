// Every kernel there is, for lists of what a device lacks. A new kernel is added here too.
#pragma once

#include <tuple>

#include "autograd/ops.h"
#include "autograd/ops/update.h"

namespace munet {

// References to all of them, topic by topic.
inline auto all_kernels() {
  using namespace kernels;
  return std::tuple_cat(
      std::tie(kernels::binary, unary_forward, unary_backward, kernels::cast),
      std::tie(kernels::sum, sum_backward, max_forward, max_backward),
      std::tie(copy_box, kernels::matmul),
      std::tie(conv2d_forward, conv2d_grad_x, conv2d_grad_w, conv2d_grad_bias),
      std::tie(kernels::prepare_conv2d, kernels::conv2d_fused),
      std::tie(batch_norm_statistics, batch_norm_forward, batch_norm_backward),
      std::tie(l2_normalize_forward, l2_normalize_backward),
      std::tie(max_pool2d_forward, max_pool2d_backward),
      std::tie(global_avg_pool_forward, global_avg_pool_backward),
      std::tie(resize_forward, resize_backward),
      std::tie(softmax_forward, softmax_backward, cross_entropy_forward, cross_entropy_backward),
      std::tie(soft_aggregate_forward, soft_aggregate_backward),
      std::tie(mask_iou_forward, mask_iou_backward),
      std::tie(match_window_forward, match_window_backward, cost_volume_forward),
      std::tie(memory_read_forward, memory_read_backward, kernels::memory_read_padded),
      std::tie(kernels::pack_memory, memory_read_slots, kernels::gather_memory),
      std::tie(adamw, sums_of_squares, move_toward, scale_all));
}

// f(kernel) for each of them.
template <class F>
void for_each_kernel(F&& f) {
  std::apply([&](auto&... kernel) { (f(kernel), ...); }, all_kernels());
}

}  // namespace munet
