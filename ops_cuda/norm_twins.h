// Twin of autograd/ops/norm.cpp. Statistics and parameters are f32 for any stored x (f64 for f64).
#pragma once

#include "autograd/ops/norm.h"
#include "ops_cuda/reduce_twins.h"

namespace munet::cuda {

// (x - mean)^2, around a mean in f64 that was measured before: no cancellation.
template <class T>
struct SquaredDistance {
  using Value = Compute<T>;
  static constexpr int kSums = 1;
  const T* x;
  const double* mean;
  int64_t channels;
  HOST_DEVICE void operator()(int64_t row, int64_t column, Value* value) const {
    const Value d = widen(x[row * channels + column]) - Value(mean[column]);
    *value = d * d;
  }
};

// For each channel: mean and 1 / sqrt(var + eps), and in training the running ones moved on.
template <class S>
struct StatisticsBody {
  bool training;
  double eps, momentum, pixels;
  const double *sum, *squares;  // mean, and the sum of squared distances
  S *running_mean, *running_var, *mean, *inverse_std;
  HOST_DEVICE void operator()(uint32_t k) const {
    if (training) {
      mean[k] = S(sum[k]);
      inverse_std[k] = S(1 / std::sqrt(squares[k] / pixels + eps));
      running_mean[k] = S((1 - momentum) * double(running_mean[k]) + momentum * sum[k]);
      running_var[k] =
          S((1 - momentum) * double(running_var[k]) + momentum * squares[k] / (pixels - 1));
    } else {
      mean[k] = running_mean[k];
      inverse_std[k] = S(1 / std::sqrt(double(running_var[k]) + eps));
    }
  }
};

template <class Run>
void batch_norm_statistics(const Tensor& x, BatchNormOptions options, const Tensor& running_mean,
                           const Tensor& running_var, const Tensor& mean,
                           const Tensor& inverse_std) {
  const int64_t c = x.dim(3), pixels = x.numel() / std::max<int64_t>(c, 1);
  Tensor sums, squares;
  for_stored(x.dtype(), "batch_norm", [&](auto zero) {
    using T = decltype(zero);
    using S = Compute<T>;
    if (options.training) {
      sums = Tensor::empty({c}, DType::f64, x.device());
      squares = Tensor::empty({c}, DType::f64, x.device());
      sum_middle<Run>("batch_norm mean", x.device(), Numbers<T>{x.data<T>(), c}, 1, pixels, c,
                      1 / double(pixels), std::array{sums.data<double>()});
      sum_middle<Run>("batch_norm variance", x.device(),
                      SquaredDistance<T>{x.data<T>(), sums.data<double>(), c}, 1, pixels, c, 1,
                      std::array{squares.data<double>()});
    }
    Run::loop("batch_norm statistics", c,
              StatisticsBody<S>{options.training, options.eps, options.momentum, double(pixels),
                                sums ? sums.data<double>() : nullptr,
                                squares ? squares.data<double>() : nullptr, running_mean.data<S>(),
                                running_var.data<S>(), mean.data<S>(), inverse_std.data<S>()});
  });
}

template <class T, int N>
struct NormBody {
  using S = Compute<T>;
  Divider units;  // packs in a pixel
  const T* x;
  const S *mean, *inverse_std, *gamma, *beta;
  T* y;
  HOST_DEVICE void operator()(uint32_t i) const {
    uint32_t pixel = i;
    const int64_t k = int64_t(units.split(pixel)) * N, at = int64_t(i) * N;
    const Pack<T, N> from = load<N>(x + at);
    const auto m = load<N>(mean + k), s = load<N>(inverse_std + k), g = load<N>(gamma + k),
               b = load<N>(beta + k);
    Pack<T, N> to;
    for (int j = 0; j < N; ++j)
      to.v[j] = narrow_to<T>((widen(from.v[j]) - m.v[j]) * (g.v[j] * s.v[j]) + b.v[j]);
    store<N>(y + at, to);
  }
};

template <class Run>
void batch_norm_forward(const Tensor& x, const Tensor& mean, const Tensor& inverse_std,
                        const Tensor& gamma, const Tensor& beta, const Tensor& y) {
  const int64_t c = x.dim(3);
  for_stored(x.dtype(), "batch_norm", [&](auto zero) {
    using T = decltype(zero);
    using S = Compute<T>;
    const bool packed = c % kPack == 0 && aligned(kPack * sizeof(T), x.data<T>(), y.data<T>()) &&
                        aligned(kPack * sizeof(S), mean.data<S>(), inverse_std.data<S>(),
                                gamma.data<S>(), beta.data<S>());
    for_pack(packed, [&](auto pack) {
      constexpr int N = decltype(pack)::value;
      Run::loop(
          "batch_norm", x.numel() / N,
          NormBody<T, N>{Divider(std::max<int64_t>(1, c / N)), x.data<T>(), mean.data<S>(),
                         inverse_std.data<S>(), gamma.data<S>(), beta.data<S>(), y.data<T>()});
    });
  });
}

// With u = (x - mean) * inverse_std: the terms of gbeta = sum gy and ggamma = sum gy u.
template <class T>
struct NormSlopes {
  using Value = Compute<T>;
  static constexpr int kSums = 2;
  const T *x, *gy;
  const Value *mean, *inverse_std;
  int64_t channels;
  HOST_DEVICE void operator()(int64_t row, int64_t column, Value* value) const {
    const int64_t at = row * channels + column;
    const Value g = widen(gy[at]);
    value[0] = g;
    value[1] = g * ((widen(x[at]) - mean[column]) * inverse_std[column]);
  }
};

// gx = gamma * inverse_std * (gy - share * (gbeta + u * ggamma)); share is 1 / pixels in training,
// else 0.
template <class T, int N>
struct NormSlopeBody {
  using S = Compute<T>;
  Divider units;
  S share;
  const T *x, *gy;
  const S *mean, *inverse_std, *gamma, *ggamma, *gbeta;
  T* gx;
  HOST_DEVICE void operator()(uint32_t i) const {
    uint32_t pixel = i;
    const int64_t k = int64_t(units.split(pixel)) * N, at = int64_t(i) * N;
    const Pack<T, N> px = load<N>(x + at), pg = load<N>(gy + at);
    const auto m = load<N>(mean + k), s = load<N>(inverse_std + k), g = load<N>(gamma + k),
               gg = load<N>(ggamma + k), gb = load<N>(gbeta + k);
    Pack<T, N> to;
    for (int j = 0; j < N; ++j) {
      const S u = (widen(px.v[j]) - m.v[j]) * s.v[j];
      to.v[j] = narrow_to<T>(g.v[j] * s.v[j] * (widen(pg.v[j]) - share * (gb.v[j] + u * gg.v[j])));
    }
    store<N>(gx + at, to);
  }
};

template <class Run>
void batch_norm_backward(const Tensor& x, const Tensor& gy, const Tensor& mean,
                         const Tensor& inverse_std, const Tensor& gamma, bool training,
                         const Tensor& gx, const Tensor& ggamma, const Tensor& gbeta) {
  const int64_t c = x.dim(3), pixels = x.numel() / std::max<int64_t>(c, 1);
  for_stored(x.dtype(), "batch_norm", [&](auto zero) {
    using T = decltype(zero);
    using S = Compute<T>;
    const T *px = x.data<T>(), *pg = gy.data<T>();
    const S *m = mean.data<S>(), *s = inverse_std.data<S>(), *g = gamma.data<S>();
    sum_middle<Run>("batch_norm gradient sums", x.device(), NormSlopes<T>{px, pg, m, s, c}, 1,
                    pixels, c, 1, std::array{gbeta.data<S>(), ggamma.data<S>()});
    const bool packed = c % kPack == 0 && aligned(kPack * sizeof(T), px, pg, gx.data<T>()) &&
                        aligned(kPack * sizeof(S), m, s, g, ggamma.data<S>(), gbeta.data<S>());
    for_pack(packed, [&](auto pack) {
      constexpr int N = decltype(pack)::value;
      Run::loop("batch_norm_backward", x.numel() / N,
                NormSlopeBody<T, N>{Divider(std::max<int64_t>(1, c / N)),
                                    training ? S(1 / double(pixels)) : S(0), px, pg, m, s, g,
                                    ggamma.data<S>(), gbeta.data<S>(), gx.data<T>()});
    });
  });
}

// Rows of `size` numbers, eight to a block and 32 threads to a row. gy null: y = x / max(|x|, eps).
// Else y = (gy - x <x, gy> / |x|^2) / |x|, or gy / eps where |x| < eps.
template <class T>
struct UnitLengthBody {
  static constexpr int kThreads = 256, kRows = 8, kLanes = 32;
  struct Local {};
  struct Shared {
    double square[kThreads], dot[kThreads];
  };
  int64_t rows, size;
  double eps;
  const T *x, *gy;
  T* y;

  template <class Block>
  HOST_DEVICE void operator()(Block& block, uint32_t index, Shared& shared) const {
    using C = Compute<T>;
    const int64_t first = int64_t(index) * kRows;
    block.each([&](int t, Local&) {
      const int64_t row = first + t / kLanes;
      C square = 0, dot = 0;
      if (row < rows)
        for (int64_t k = t % kLanes; k < size; k += kLanes) {
          const C v = widen(x[row * size + k]);
          square += v * v;
          if (gy) dot += v * widen(gy[row * size + k]);
        }
      shared.square[t] = double(square);
      shared.dot[t] = double(dot);
    });
    for (int half = kLanes / 2; half > 0; half /= 2)
      block.each([&](int t, Local&) {
        if (t % kLanes >= half) return;
        shared.square[t] += shared.square[t + half];
        shared.dot[t] += shared.dot[t + half];
      });
    block.each([&](int t, Local&) {
      const int64_t row = first + t / kLanes;
      if (row >= rows) return;
      const double square = shared.square[t / kLanes * kLanes], length = std::sqrt(square);
      const C along = length >= eps ? C(shared.dot[t / kLanes * kLanes] / square) : C(0);
      const C factor = C(1 / (length > eps ? length : eps));
      for (int64_t k = t % kLanes; k < size; k += kLanes) {
        const int64_t at = row * size + k;
        const C v = widen(x[at]);
        y[at] = narrow_to<T>((gy ? widen(gy[at]) - v * along : v) * factor);
      }
    });
  }
};

template <class Run>
void l2_normalize(const Tensor& x, const Tensor& gy, double eps, const Tensor& y) {
  if (x.numel() == 0) return;
  for_stored(x.dtype(), "l2_normalize", [&](auto zero) {
    using T = decltype(zero);
    const int64_t size = x.dim(-1), rows = x.numel() / size;
    Run::blocks(
        "l2_normalize", (rows + 7) / 8,
        UnitLengthBody<T>{rows, size, eps, x.data<T>(), gy ? gy.data<T>() : nullptr, y.data<T>()});
  });
}
template <class Run>
void l2_normalize_forward(const Tensor& x, double eps, const Tensor& y) {
  l2_normalize<Run>(x, {}, eps, y);
}
template <class Run>
void l2_normalize_backward(const Tensor& x, const Tensor& gy, double eps, const Tensor& gx) {
  l2_normalize<Run>(x, gy, eps, gx);
}

template <class Run, class Set>
void norm_twins(Set set) {
  set(kernels::batch_norm_statistics, batch_norm_statistics<Run>);
  set(kernels::batch_norm_forward, batch_norm_forward<Run>);
  set(kernels::batch_norm_backward, batch_norm_backward<Run>);
  set(kernels::l2_normalize_forward, l2_normalize_forward<Run>);
  set(kernels::l2_normalize_backward, l2_normalize_backward<Run>);
}

}  // namespace munet::cuda
