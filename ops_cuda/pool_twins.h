// Twin of autograd/ops/pool.cpp. The gradient gathers: each input looks up the windows it is in.
#pragma once

#include "autograd/ops/pool.h"
#include "ops_cuda/reduce_twins.h"

namespace munet::cuda {

// Unit i of [n, h, w, c] in packs of channels.
struct MapIndex {
  Divider units, w, h;
  MapIndex(const Shape& s, int pack)
      : units(std::max<int64_t>(1, s[3] / pack)),
        w(std::max<int64_t>(1, s[2])),
        h(std::max<int64_t>(1, s[1])) {}
  struct Place {
    int64_t image;
    int row, column, unit;
  };
  HOST_DEVICE Place find(uint32_t i) const {
    Place p;
    p.unit = int(units.split(i));
    p.column = int(w.split(i));
    p.row = int(h.split(i));
    p.image = i;
    return p;
  }
};

struct PoolSizes {
  int h, w, c, oh, ow, kernel, stride, padding;
  PoolSizes(const Shape& x, const Shape& y, Pool2dOptions o)
      : h(int(x[1])),
        w(int(x[2])),
        c(int(x[3])),
        oh(int(y[1])),
        ow(int(y[2])),
        kernel(o.kernel),
        stride(o.stride),
        padding(o.padding) {}
};

template <class T, int N>
struct MaxPoolBody {
  MapIndex outputs;
  PoolSizes s;
  const T* x;
  T* y;
  int32_t* taps;  // may be null
  HOST_DEVICE void operator()(uint32_t i) const {
    const MapIndex::Place p = outputs.find(i);
    const int top = p.row * s.stride - s.padding, left = p.column * s.stride - s.padding;
    Compute<T> best[N] = {};
    Pack<int32_t, N> won = {};
    bool first = true;
    for (int ky = top < 0 ? -top : 0; ky < s.kernel && top + ky < s.h; ++ky)
      for (int kx = left < 0 ? -left : 0; kx < s.kernel && left + kx < s.w; ++kx) {
        const Pack<T, N> from =
            load<N>(x + ((p.image * s.h + top + ky) * s.w + left + kx) * s.c + int64_t(p.unit) * N);
        for (int k = 0; k < N; ++k) {
          const Compute<T> v = widen(from.v[k]);
          if (first || v > best[k]) won.v[k] = ky * s.kernel + kx;
          if (first || v > best[k] || v != v) best[k] = v;  // NaN wins, and stays
        }
        first = false;
      }
    Pack<T, N> to;
    for (int k = 0; k < N; ++k) to.v[k] = narrow_to<T>(best[k]);
    store<N>(y + int64_t(i) * N, to);
    if (taps) store<N>(taps + int64_t(i) * N, won);
  }
};

template <class Run>
void max_pool2d_forward(const Tensor& x, Pool2dOptions options, const Tensor& y,
                        const Tensor& taps) {
  for_stored(x.dtype(), "max_pool2d", [&](auto zero) {
    using T = decltype(zero);
    int32_t* tap = taps ? taps.data<int32_t>() : nullptr;
    const bool packed = x.dim(3) % kPack == 0 &&
                        aligned(kPack * sizeof(T), x.data<T>(), y.data<T>()) &&
                        aligned(kPack * sizeof(int32_t), tap);
    for_pack(packed, [&](auto pack) {
      constexpr int N = decltype(pack)::value;
      Run::loop("max_pool2d", y.numel() / N,
                MaxPoolBody<T, N>{MapIndex(y.shape(), N), PoolSizes(x.shape(), y.shape(), options),
                                  x.data<T>(), y.data<T>(), tap});
    });
  });
}

template <class T, int N>
struct MaxPoolSlopeBody {
  MapIndex inputs;
  PoolSizes s;
  const T* gy;
  const int32_t* taps;
  T* gx;
  HOST_DEVICE void operator()(uint32_t i) const {
    const MapIndex::Place p = inputs.find(i);
    // Windows o with 0 <= place + padding - o * stride < kernel.
    const int row = p.row + s.padding, column = p.column + s.padding;
    const int top = row < s.kernel ? 0 : (row - s.kernel) / s.stride + 1;
    const int left = column < s.kernel ? 0 : (column - s.kernel) / s.stride + 1;
    Compute<T> sum[N] = {};
    for (int oy = top; oy < s.oh && oy * s.stride <= row; ++oy)
      for (int ox = left; ox < s.ow && ox * s.stride <= column; ++ox) {
        const int32_t tap = (row - oy * s.stride) * s.kernel + column - ox * s.stride;
        const int64_t at = ((p.image * s.oh + oy) * s.ow + ox) * s.c + int64_t(p.unit) * N;
        const Pack<T, N> g = load<N>(gy + at);
        const Pack<int32_t, N> won = load<N>(taps + at);
        for (int k = 0; k < N; ++k)
          if (won.v[k] == tap) sum[k] += widen(g.v[k]);
      }
    Pack<T, N> to;
    for (int k = 0; k < N; ++k) to.v[k] = narrow_to<T>(sum[k]);
    store<N>(gx + int64_t(i) * N, to);
  }
};

template <class Run>
void max_pool2d_backward(const Tensor& gy, const Tensor& taps, Pool2dOptions options,
                         const Tensor& gx) {
  for_stored(gy.dtype(), "max_pool2d", [&](auto zero) {
    using T = decltype(zero);
    const bool packed = gx.dim(3) % kPack == 0 &&
                        aligned(kPack * sizeof(T), gx.data<T>(), gy.data<T>()) &&
                        aligned(kPack * sizeof(int32_t), taps.data<int32_t>());
    for_pack(packed, [&](auto pack) {
      constexpr int N = decltype(pack)::value;
      Run::loop("max_pool2d_backward", gx.numel() / N,
                MaxPoolSlopeBody<T, N>{MapIndex(gx.shape(), N),
                                       PoolSizes(gx.shape(), gy.shape(), options), gy.data<T>(),
                                       taps.data<int32_t>(), gx.data<T>()});
    });
  });
}

template <class Run>
void global_avg_pool_forward(const Tensor& x, const Tensor& y) {
  const int64_t pixels = x.dim(1) * x.dim(2), c = x.dim(3);
  for_stored(x.dtype(), "global_avg_pool", [&](auto zero) {
    using T = decltype(zero);
    sum_middle<Run>("global_avg_pool", x.device(), Numbers<T>{x.data<T>(), c}, x.dim(0), pixels, c,
                    1 / double(pixels), std::array{y.data<T>()});
  });
}

template <class T>
struct AverageSlopeBody {
  Divider channels, pixels;
  const T* gy;
  T* gx;
  HOST_DEVICE void operator()(uint32_t i) const {
    uint32_t image = i;
    const uint32_t k = channels.split(image);
    pixels.split(image);
    gx[i] =
        narrow_to<T>(widen(gy[int64_t(image) * channels.divisor + k]) / Compute<T>(pixels.divisor));
  }
};

template <class Run>
void global_avg_pool_backward(const Tensor& gy, const Tensor& gx) {
  for_stored(gy.dtype(), "global_avg_pool", [&](auto zero) {
    using T = decltype(zero);
    Run::loop("global_avg_pool_backward", gx.numel(),
              AverageSlopeBody<T>{Divider(std::max<int64_t>(1, gx.dim(3))),
                                  Divider(gx.dim(1) * gx.dim(2)), gy.data<T>(), gx.data<T>()});
  });
}

template <class Run, class Set>
void pool_twins(Set set) {
  set(kernels::max_pool2d_forward, max_pool2d_forward<Run>);
  set(kernels::max_pool2d_backward, max_pool2d_backward<Run>);
  set(kernels::global_avg_pool_forward, global_avg_pool_forward<Run>);
  set(kernels::global_avg_pool_backward, global_avg_pool_backward<Run>);
}

}  // namespace munet::cuda
