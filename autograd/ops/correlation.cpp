// Matching in a window: checks and recording; the numerics are in tensor/cpu/correlation.h.
#include "autograd/ops/correlation.h"

#include "autograd/node.h"
#include "tensor/cpu/correlation.h"

namespace munet {
namespace kernels {
namespace {

cpu::MatchSizes sizes(const Tensor& f, const MatchOptions& options) {
  return {f.dim(0),
          f.dim(1),
          f.dim(2),
          f.dim(3),
          options.window / 2,
          options.sign / options.temperature,
          options.border == Border::exclude};
}

void match_window_forward_cpu(const Tensor& f_t, const Tensor& f_prev, MatchOptions options,
                              const Tensor& y, const Tensor& state) {
  for_float(f_t.dtype(), "match_window", [&](auto zero) {
    using T = decltype(zero);
    cpu::match_forward(sizes(f_t, options), f_t.data<T>(), f_prev.data<T>(), y.data<T>(),
                       state ? state.data<T>() : nullptr);
  });
}

void match_window_backward_cpu(const Tensor& f_t, const Tensor& f_prev, MatchOptions options,
                               const Tensor& y, const Tensor& state, const Tensor& gy,
                               const Tensor& g_t, const Tensor& g_prev) {
  for_float(f_t.dtype(), "match_window", [&](auto zero) {
    using T = decltype(zero);
    cpu::match_backward(sizes(f_t, options), f_t.data<T>(), f_prev.data<T>(), y.data<T>(),
                        state.data<T>(), gy.data<T>(), g_t.data<T>(), g_prev.data<T>());
  });
}

void cost_volume_forward_cpu(const Tensor& f_t, const Tensor& f_prev, int window, const Tensor& y) {
  for_float(f_t.dtype(), "cost_volume", [&](auto zero) {
    using T = decltype(zero);
    cpu::cost_volume(sizes(f_t, {.window = window}), f_t.data<T>(), f_prev.data<T>(), y.data<T>());
  });
}

}  // namespace

Kernel<void(const Tensor&, const Tensor&, MatchOptions, const Tensor&, const Tensor&)>
    match_window_forward{"match_window_forward", match_window_forward_cpu};
Kernel<void(const Tensor&, const Tensor&, MatchOptions, const Tensor&, const Tensor&, const Tensor&,
            const Tensor&, const Tensor&)>
    match_window_backward{"match_window_backward", match_window_backward_cpu};
Kernel<void(const Tensor&, const Tensor&, int, const Tensor&)> cost_volume_forward{
    "cost_volume_forward", cost_volume_forward_cpu};

}  // namespace kernels

namespace {

void check_maps(const char* op, const Tensor& f_t, const Tensor& f_prev, int window) {
  check<ShapeError>(f_t.rank() == 4 && f_t.shape() == f_prev.shape(), op,
                    ": expected f_t and f_prev [n,h,w,c] of one shape; given ", f_t.shape(),
                    " and ", f_prev.shape());
  check<DTypeError>(f_t.dtype() == f_prev.dtype(), op,
                    ": expected f_t and f_prev of one type; given ", f_t.dtype(), " and ",
                    f_prev.dtype());
  check<DeviceError>(f_t.device() == f_prev.device(), op,
                     ": expected f_t and f_prev on one device; given ", f_t.device(), " and ",
                     f_prev.device());
  check(window >= 1 && window % 2 == 1, op, ": expected an odd window; given ", window);
}

}  // namespace

Tensor match_window(const Tensor& f_t, const Tensor& f_prev, MatchOptions options) {
  check_maps("match_window", f_t, f_prev, options.window);
  check(options.temperature > 0, "match_window: expected a positive temperature; given ",
        options.temperature);
  check(options.sign == 1 || options.sign == -1, "match_window: expected sign -1 or 1; given ",
        options.sign);
  const Device device = f_t.device();
  const int64_t n = f_t.dim(0), h = f_t.dim(1), w = f_t.dim(2);
  Tensor y = Tensor::empty({n, h, w, 3}, f_t.dtype(), device), state;
  if (recording(f_t, f_prev)) state = Tensor::empty({3, n, h, w}, f_t.dtype(), device);
  kernels::match_window_forward(device, f_t, f_prev, options, y, state);
  if (!state) return y;
  return record(y, "match_window", {f_t, f_prev},
                [f_t = f_t.detach(), f_prev = f_prev.detach(), options, y = y.detach(),
                 state](const Tensor& gy) -> Tensors {
                  const Device device = f_t.device();
                  Tensor g_t = Tensor::empty(f_t.shape(), f_t.dtype(), device);
                  Tensor g_prev = Tensor::empty(f_t.shape(), f_t.dtype(), device);
                  kernels::match_window_backward(device, f_t, f_prev, options, y, state, gy, g_t,
                                                 g_prev);
                  return {g_t, g_prev};
                });
}

Tensor cost_volume(const Tensor& f_t, const Tensor& f_prev, int window) {
  check_maps("cost_volume", f_t, f_prev, window);
  Tensor y = Tensor::empty({f_t.dim(0), f_t.dim(1), f_t.dim(2), int64_t(window) * window},
                           f_t.dtype(), f_t.device());
  kernels::cost_volume_forward(f_t.device(), f_t, f_prev, window, y);
  return y;
}

}  // namespace munet
