// Twin of autograd/ops/softmax.cpp: a thread for each line where lines are short or apart in
// memory, 32 threads for each where they are long and together.
#pragma once

#include "autograd/ops/softmax.h"
#include "ops_cuda/steps.h"

namespace munet::cuda {

// A line along an axis: `size` numbers, `inner` apart.
template <class T>
struct SoftmaxBody {
  bool logarithm;
  int64_t size;
  Divider inner;
  const T* x;
  T* y;
  HOST_DEVICE void operator()(uint32_t i) const {
    using C = Compute<T>;
    uint32_t outer = i;
    const int64_t j = inner.split(outer), step = inner.divisor, first = outer * size * step + j;
    C largest = widen(x[first]);  // subtracted, so that exp cannot overflow
    for (int64_t k = 1; k < size; ++k) {
      const C v = widen(x[first + k * step]);
      if (v > largest) largest = v;
    }
    C total = 0;
    for (int64_t k = 0; k < size; ++k) total += std::exp(widen(x[first + k * step]) - largest);
    const C shift = std::log(total), factor = 1 / total;
    for (int64_t k = 0; k < size; ++k) {
      const C v = widen(x[first + k * step]) - largest;
      y[first + k * step] = narrow_to<T>(logarithm ? v - shift : std::exp(v) * factor);
    }
  }
};

// softmax: gx = y * (gy - sum(gy * y));  log_softmax: gx = gy - exp(y) * sum(gy).
template <class T>
struct SoftmaxSlopeBody {
  bool logarithm;
  int64_t size;
  Divider inner;
  const T *y, *gy;
  T* gx;
  HOST_DEVICE void operator()(uint32_t i) const {
    using C = Compute<T>;
    uint32_t outer = i;
    const int64_t j = inner.split(outer), step = inner.divisor, first = outer * size * step + j;
    C total = 0;
    for (int64_t k = first; k < first + size * step; k += step)
      total += logarithm ? widen(gy[k]) : widen(gy[k]) * widen(y[k]);
    for (int64_t k = first; k < first + size * step; k += step) {
      const C v = widen(y[k]), g = widen(gy[k]);
      gx[k] = narrow_to<T>(logarithm ? g - std::exp(v) * total : v * (g - total));
    }
  }
};

// Long rows, eight to a block. gy null: forward, from x; else backward, x being y.
template <class T>
struct LongSoftmaxBody {
  static constexpr int kThreads = 256, kRows = 8, kLanes = 32;
  struct Local {
    Compute<T> largest;
  };
  struct Shared {
    double part[kThreads];
  };
  bool logarithm;
  int64_t rows, size;
  const T *x, *gy;
  T* y;

  template <class Block>
  HOST_DEVICE void operator()(Block& block, uint32_t index, Shared& shared) const {
    using C = Compute<T>;
    const int64_t first = int64_t(index) * kRows;
    const auto for_row = [&](int t, auto&& f) {  // f(place) for the thread's share of its row
      const int64_t row = first + t / kLanes;
      if (row < rows)
        for (int64_t k = t % kLanes; k < size; k += kLanes) f(row * size + k);
    };
    if (!gy) {
      block.each([&](int t, Local& my) {
        my.largest = -C(INFINITY);
        for_row(t, [&](int64_t at) {
          const C v = widen(x[at]);
          if (v > my.largest) my.largest = v;
        });
        shared.part[t] = double(my.largest);
      });
      for (int half = kLanes / 2; half > 0; half /= 2)
        block.each([&](int t, Local&) {
          if (t % kLanes < half && shared.part[t + half] > shared.part[t])
            shared.part[t] = shared.part[t + half];
        });
      block.each([&](int t, Local& my) { my.largest = C(shared.part[t / kLanes * kLanes]); });
    }
    block.each([&](int t, Local& my) {
      C total = 0;
      for_row(t, [&](int64_t at) {
        if (gy)
          total += logarithm ? widen(gy[at]) : widen(gy[at]) * widen(x[at]);
        else
          total += std::exp(widen(x[at]) - my.largest);
      });
      shared.part[t] = double(total);
    });
    for (int half = kLanes / 2; half > 0; half /= 2)
      block.each([&](int t, Local&) {
        if (t % kLanes < half) shared.part[t] += shared.part[t + half];
      });
    block.each([&](int t, Local& my) {
      const double total = shared.part[t / kLanes * kLanes];
      const C shift = gy ? C(total) : C(std::log(total)), factor = C(1 / total);
      for_row(t, [&](int64_t at) {
        C v = widen(x[at]);
        if (gy) {
          const C g = widen(gy[at]);
          y[at] = narrow_to<T>(logarithm ? g - std::exp(v) * shift : v * (g - shift));
        } else {
          v -= my.largest;
          y[at] = narrow_to<T>(logarithm ? v - shift : std::exp(v) * factor);
        }
      });
    });
  }
};

constexpr int64_t kLongRow = 48;

template <class Run>
void softmax_forward(const Tensor& x, int axis, bool logarithm, const Tensor& y) {
  const Lines lines(x.shape(), axis);
  if (x.numel() == 0) return;
  for_stored(x.dtype(), "softmax", [&](auto zero) {
    using T = decltype(zero);
    if (lines.inner == 1 && lines.size >= kLongRow)
      Run::blocks("softmax", (lines.outer + 7) / 8,
                  LongSoftmaxBody<T>{logarithm, lines.outer, lines.size, x.data<T>(), nullptr,
                                     y.data<T>()});
    else
      Run::loop(
          "softmax", lines.count(),
          SoftmaxBody<T>{logarithm, lines.size, Divider(lines.inner), x.data<T>(), y.data<T>()});
  });
}

template <class Run>
void softmax_backward(const Tensor& y, const Tensor& gy, int axis, bool logarithm,
                      const Tensor& gx) {
  const Lines lines(y.shape(), axis);
  if (y.numel() == 0) return;
  for_stored(y.dtype(), "softmax", [&](auto zero) {
    using T = decltype(zero);
    if (lines.inner == 1 && lines.size >= kLongRow)
      Run::blocks("softmax_backward", (lines.outer + 7) / 8,
                  LongSoftmaxBody<T>{logarithm, lines.outer, lines.size, y.data<T>(), gy.data<T>(),
                                     gx.data<T>()});
    else
      Run::loop("softmax_backward", lines.count(),
                SoftmaxSlopeBody<T>{logarithm, lines.size, Divider(lines.inner), y.data<T>(),
                                    gy.data<T>(), gx.data<T>()});
  });
}

template <class Run, class Set>
void softmax_twins(Set set) {
  set(kernels::softmax_forward, softmax_forward<Run>);
  set(kernels::softmax_backward, softmax_backward<Run>);
}

}  // namespace munet::cuda
