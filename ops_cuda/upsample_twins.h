// Twin of autograd/ops/upsample.cpp. Source places are fractions of whole numbers, so weights are
// exact but for one rounding; the gradient gathers over the results that an input takes part in.
#pragma once

#include "autograd/ops/upsample.h"
#include "ops_cuda/pool_twins.h"

namespace munet::cuda {

template <class C>
struct ResizeTap {  // (1 - weight) * source[low] + weight * source[high]
  int low, high;
  C weight;
  HOST_DEVICE C of(int source) const {
    return (source == low ? 1 - weight : C(0)) + (source == high ? weight : C(0));
  }
};

// One axis. Result i lies at numerator(i) / denominator of the source.
struct ResizeAxis {
  int in, out;
  bool nearest, corners;
  Divider denominator;

  ResizeAxis(int64_t in, int64_t out, bool nearest, bool corners)
      : in(int(in)),
        out(int(out)),
        nearest(nearest),
        corners(corners),
        denominator(nearest   ? out
                    : corners ? std::max<int64_t>(1, out - 1)
                              : 2 * out) {
    check<ShapeError>(in < 30000 && out < 30000,
                      "upsample: expected sizes below 30000 on a GPU; given ", in, " and ", out);
  }
  template <class C>
  HOST_DEVICE ResizeTap<C> tap(int i) const {
    uint32_t at;
    if (nearest) {
      at = uint32_t(i) * uint32_t(in);
    } else if (corners) {
      at = out > 1 ? uint32_t(i) * uint32_t(in - 1) : 0;
    } else {
      const uint32_t twice = (2 * uint32_t(i) + 1) * uint32_t(in);
      at = twice > uint32_t(out) ? twice - uint32_t(out) : 0;
    }
    const uint32_t rest = denominator.split(at);
    const int low = int(at);
    if (nearest) return {low, low, C(0)};
    return {low, low + 1 < in ? low + 1 : in - 1, C(rest) / C(denominator.divisor)};
  }
  // A range of results that holds all those which source s takes part in: places s - 1 to s + 1.
  HOST_DEVICE void users(int s, int& first, int& last) const {
    if (corners && !nearest) {
      first = in > 1 ? int(int64_t(s - 1) * (out - 1) / (in - 1)) : 0;
      last = in > 1 ? int(int64_t(s + 1) * (out - 1) / (in - 1)) + 2 : out;
    } else {
      first = int(int64_t(2 * s - 1) * out / (2 * in)) - 1;
      last = int(int64_t(2 * s + 3) * out / (2 * in)) + 1;
    }
    if (first < 0) first = 0;
    if (last > out) last = out;
  }
};

template <class T, int N>
struct ResizeBody {
  MapIndex outputs;
  ResizeAxis rows, columns;
  int c;
  const T* x;
  T* y;
  HOST_DEVICE void operator()(uint32_t i) const {
    using C = Compute<T>;
    const MapIndex::Place p = outputs.find(i);
    const ResizeTap<C> row = rows.template tap<C>(p.row),
                       column = columns.template tap<C>(p.column);
    const T* above = x + (p.image * rows.in + row.low) * columns.in * int64_t(c) + p.unit * N;
    const T* below = x + (p.image * rows.in + row.high) * columns.in * int64_t(c) + p.unit * N;
    const int64_t left = int64_t(column.low) * c, right = int64_t(column.high) * c;
    const Pack<T, N> al = load<N>(above + left);
    Pack<T, N> to;
    if (rows.nearest) {
      to = al;
    } else {
      const Pack<T, N> ar = load<N>(above + right), bl = load<N>(below + left),
                       br = load<N>(below + right);
      for (int k = 0; k < N; ++k) {
        const C a = widen(al.v[k]) + row.weight * (widen(bl.v[k]) - widen(al.v[k]));
        const C b = widen(ar.v[k]) + row.weight * (widen(br.v[k]) - widen(ar.v[k]));
        to.v[k] = narrow_to<T>(a + column.weight * (b - a));
      }
    }
    store<N>(y + int64_t(i) * N, to);
  }
};

template <class T, int N>
struct ResizeSlopeBody {
  MapIndex inputs;
  ResizeAxis rows, columns;
  int c;
  const T* gy;
  T* gx;
  HOST_DEVICE void operator()(uint32_t i) const {
    using C = Compute<T>;
    const MapIndex::Place p = inputs.find(i);
    int top, bottom, left, right;
    rows.users(p.row, top, bottom);
    columns.users(p.column, left, right);
    C sum[N] = {};
    for (int oy = top; oy < bottom; ++oy) {
      const C wy = rows.template tap<C>(oy).of(p.row);
      if (wy == 0) continue;
      const T* line = gy + (p.image * rows.out + oy) * columns.out * int64_t(c) + p.unit * N;
      for (int ox = left; ox < right; ++ox) {
        const C w = wy * columns.template tap<C>(ox).of(p.column);
        if (w == 0) continue;
        const Pack<T, N> g = load<N>(line + int64_t(ox) * c);
        for (int k = 0; k < N; ++k) sum[k] += w * widen(g.v[k]);
      }
    }
    Pack<T, N> to;
    for (int k = 0; k < N; ++k) to.v[k] = narrow_to<T>(sum[k]);
    store<N>(gx + int64_t(i) * N, to);
  }
};

template <template <class, int> class Body, class Run>
void resize(const char* name, const Tensor& from, const Tensor& to, const Shape& x, bool nearest,
            ResizeOptions o) {
  for_stored(from.dtype(), "upsample", [&](auto zero) {
    using T = decltype(zero);
    const bool packed =
        x[3] % kPack == 0 && aligned(kPack * sizeof(T), from.data<T>(), to.data<T>());
    for_pack(packed, [&](auto pack) {
      constexpr int N = decltype(pack)::value;
      Run::loop(
          name, to.numel() / N,
          Body<T, N>{MapIndex(to.shape(), N), ResizeAxis(x[1], o.height, nearest, o.align_corners),
                     ResizeAxis(x[2], o.width, nearest, o.align_corners), int(x[3]), from.data<T>(),
                     to.data<T>()});
    });
  });
}

template <class Run>
void resize_forward(const Tensor& x, bool nearest, ResizeOptions options, const Tensor& y) {
  resize<ResizeBody, Run>("resize", x, y, x.shape(), nearest, options);
}
template <class Run>
void resize_backward(const Tensor& gy, bool nearest, ResizeOptions options, const Tensor& gx) {
  resize<ResizeSlopeBody, Run>("resize_backward", gy, gx, gx.shape(), nearest, options);
}

template <class Run, class Set>
void upsample_twins(Set set) {
  set(kernels::resize_forward, resize_forward<Run>);
  set(kernels::resize_backward, resize_backward<Run>);
}

}  // namespace munet::cuda
