// The fused matching of two maps inside a window: Eq. (1) and (2) without the cost volume.
#pragma once

#include <cstdint>

namespace munet::cpu {

struct MatchSizes {
  int64_t n, h, w, c;
  int64_t radius;  // displacements -radius..radius on both axes, cells
  double scale;    // sign / temperature: the softmax runs over scale * cost
  bool exclude;    // targets outside the frame do not take part (else with cost 0)
};

// f_t, f_prev [n,h,w,c] -> y [n,h,w,3] = (u_x, u_y, max). state: null, or three planes [n*h*w] for
// match_backward: the cost of the largest logit, 1 / softmax denominator relative to it, and the
// first arg max, v * window + u. T is float or double; f32 error: 2e-6 of the norm.
template <class T>
void match_forward(const MatchSizes& sizes, const T* f_t, const T* f_prev, T* y, T* state);

// From gy [n,h,w,3] to the gradients of both maps. Costs are computed again, row by row. f32 error:
// 2e-6 of the norm.
template <class T>
void match_backward(const MatchSizes& sizes, const T* f_t, const T* f_prev, const T* y,
                    const T* state, const T* gy, T* g_t, T* g_prev);

// The costs themselves -> y [n,h,w,(2 radius + 1)^2], 0 outside the frame. f32 error: 3e-7 of the
// norm for c = 64.
template <class T>
void cost_volume(const MatchSizes& sizes, const T* f_t, const T* f_prev, T* y);

}  // namespace munet::cpu
