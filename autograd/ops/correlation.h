// Matching two feature maps inside a search window: displacement and confidence (MU-Layer, 3.2).
#pragma once

#include "tensor/kernel.h"
#include "tensor/tensor.h"

namespace munet {

enum class Border {
  zero,    // targets outside the frame take part with cost 0
  exclude  // they take part neither in the softmax nor in the maximum
};
struct MatchOptions {
  int window = 25;         // U = V, odd: displacements -12..12 on both axes, cells
  double temperature = 1;  // tau > 0
  double sign = -1;        // -1 as the paper prints it, +1 favours the best match
  Border border = Border::zero;
};
// Cost volume C(u,x) = <f_t(x), f_prev(x+u)> (Eq. 1), reduced at once and never stored:
//   (u_x, u_y)(x) = sum_u u * softmax_u(sign * C(u,x) / tau),   U(x) = max_u C(u,x) (Eq. 2).
// f_t, f_prev [n,h,w,c] (unit length along c for Eq. 1's meaning) -> [n,h,w,3] = (u_x, u_y, U):
// displacement in cells, and matching confidence (users see uncertainty = 1 - U).
// Gradients: both inputs, through softmax and to the first arg max.
Tensor match_window(const Tensor& f_t, const Tensor& f_prev, MatchOptions options = {});

// The cost volume itself, for pictures and tests: [n,h,w,window*window], hypotheses row by row
// (v outer, u inner), 0 outside the frame. No gradient.
Tensor cost_volume(const Tensor& f_t, const Tensor& f_prev, int window);

namespace kernels {
// f_t, f_prev, options, y, state [3,n,h,w] (what the gradient needs; undefined = not wanted)
extern Kernel<void(const Tensor&, const Tensor&, MatchOptions, const Tensor&, const Tensor&)>
    match_window_forward;
// f_t, f_prev, options, y, state, gy, gradient of f_t, of f_prev
extern Kernel<void(const Tensor&, const Tensor&, MatchOptions, const Tensor&, const Tensor&,
                   const Tensor&, const Tensor&, const Tensor&)>
    match_window_backward;
// f_t, f_prev, window, y
extern Kernel<void(const Tensor&, const Tensor&, int, const Tensor&)> cost_volume_forward;
}  // namespace kernels

}  // namespace munet
