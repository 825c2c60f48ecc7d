// The slots of matching: what correlation.cu registers, and what the host test runs.
#pragma once

#include "autograd/ops/correlation.h"
#include "ops_cuda/correlation_body.h"

namespace munet::cuda {

inline MatchShape match_shape(const Tensor& f, const MatchOptions& options) {
  return {int(f.dim(0)),
          int(f.dim(1)),
          int(f.dim(2)),
          int(f.dim(3)),
          options.window / 2,
          options.border == Border::exclude,
          options.sign / options.temperature};
}

template <class Run>
void match_window_forward(const Tensor& f_t, const Tensor& f_prev, MatchOptions options,
                          const Tensor& y, const Tensor& state) {
  for_precise(f_t.dtype(), "match_window", [&](auto zero) {
    using T = decltype(zero);
    const MatchForward<T> body{match_shape(f_t, options), f_t.data<T>(), f_prev.data<T>(),
                               y.data<T>(), state ? state.data<T>() : nullptr};
    Run::blocks("match_window", body.s.blocks(), body);
  });
}

template <class Run>
void match_window_backward(const Tensor& f_t, const Tensor& f_prev, MatchOptions options,
                           const Tensor& y, const Tensor& state, const Tensor& gy,
                           const Tensor& g_t, const Tensor& g_prev) {
  for_precise(f_t.dtype(), "match_window", [&](auto zero) {
    using T = decltype(zero);
    MatchShape s = match_shape(f_t, options);
    const Tensor slopes = Tensor::empty({s.pixels(), s.hypotheses()}, f_t.dtype(), f_t.device());
    s.exclude = true;
    Run::blocks("match_window_slopes", s.blocks(),
                MatchSlopes<T>{s, f_t.data<T>(), f_prev.data<T>(), y.data<T>(), state.data<T>(),
                               gy.data<T>(), slopes.data<T>()});
    Run::loop("match_window_gradient", g_t.numel(),
              MatchGradient<T>{s, false, slopes.data<T>(), f_prev.data<T>(), g_t.data<T>()});
    Run::loop("match_window_gradient", g_prev.numel(),
              MatchGradient<T>{s, true, slopes.data<T>(), f_t.data<T>(), g_prev.data<T>()});
  });
}

template <class Run>
void cost_volume_forward(const Tensor& f_t, const Tensor& f_prev, int window, const Tensor& y) {
  for_precise(f_t.dtype(), "cost_volume", [&](auto zero) {
    using T = decltype(zero);
    const CostVolume<T> body{match_shape(f_t, {.window = window}), f_t.data<T>(), f_prev.data<T>(),
                             y.data<T>()};
    Run::blocks("cost_volume", body.s.blocks(), body);
  });
}

}  // namespace munet::cuda
