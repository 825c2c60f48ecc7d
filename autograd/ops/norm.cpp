// Batch normalisation and unit length. Sums over pixels run in f64 over blocks of fixed size that
// are added in order, so statistics do not depend on the number of threads.
#include "autograd/ops/norm.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "autograd/node.h"
#include "tensor/parallel.h"

namespace munet {
namespace kernels {
namespace {

// Sums over all pixels, per channel: add(pixel, total) adds one pixel's terms to total[width].
template <class F>
std::vector<double> sum_over_pixels(int64_t pixels, int64_t width, F&& add) {
  constexpr int64_t kBlock = 1024;
  const int64_t blocks = (pixels + kBlock - 1) / kBlock;
  std::vector<double> partial(std::size_t(blocks * width), 0.0);
  parallel_for(blocks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b)
      for (int64_t p = b * kBlock; p < std::min(pixels, (b + 1) * kBlock); ++p)
        add(p, partial.data() + b * width);
  });
  for (int64_t i = width; i < blocks * width; ++i)
    partial[std::size_t(i % width)] += partial[std::size_t(i)];
  partial.resize(std::size_t(width));
  return partial;
}

template <class T>
void measure(const Tensor& x, BatchNormOptions options, const Tensor& running_mean,
             const Tensor& running_var, const Tensor& mean, const Tensor& inverse_std) {
  const int64_t c = x.dim(3), pixels = x.numel() / c;
  const T* px = x.data<T>();
  std::vector<double> m = sum_over_pixels(pixels, c, [&](int64_t p, double* total) {
    for (int64_t k = 0; k < c; ++k) total[k] += double(px[p * c + k]);
  });
  for (double& value : m) value /= double(pixels);
  const std::vector<double> squares = sum_over_pixels(pixels, c, [&](int64_t p, double* total) {
    for (int64_t k = 0; k < c; ++k) {
      const double d = double(px[p * c + k]) - m[std::size_t(k)];
      total[k] += d * d;
    }
  });
  const double weight = options.momentum;
  for (int64_t k = 0; k < c; ++k) {
    const double square = squares[std::size_t(k)];
    mean.data<T>()[k] = T(m[std::size_t(k)]);
    inverse_std.data<T>()[k] = T(1 / std::sqrt(square / double(pixels) + options.eps));
    T &rm = running_mean.data<T>()[k], &rv = running_var.data<T>()[k];
    rm = T((1 - weight) * double(rm) + weight * m[std::size_t(k)]);
    rv = T((1 - weight) * double(rv) + weight * square / double(pixels - 1));
  }
}

void batch_norm_statistics_cpu(const Tensor& x, BatchNormOptions options,
                               const Tensor& running_mean, const Tensor& running_var,
                               const Tensor& mean, const Tensor& inverse_std) {
  for_float(x.dtype(), "batch_norm", [&](auto zero) {
    using T = decltype(zero);
    if (options.training)
      return measure<T>(x, options, running_mean, running_var, mean, inverse_std);
    for (int64_t k = 0; k < mean.numel(); ++k) {
      mean.data<T>()[k] = running_mean.data<T>()[k];
      inverse_std.data<T>()[k] = T(1 / std::sqrt(double(running_var.data<T>()[k]) + options.eps));
    }
  });
}

// Pixels a thread takes at once: about 16 KB.
int64_t pixel_grain(int64_t c) { return std::max<int64_t>(1, 4096 / std::max<int64_t>(c, 1)); }

void batch_norm_forward_cpu(const Tensor& x, const Tensor& mean, const Tensor& inverse_std,
                            const Tensor& gamma, const Tensor& beta, const Tensor& y) {
  const int64_t c = x.dim(3), pixels = x.numel() / std::max<int64_t>(c, 1);
  for_float(x.dtype(), "batch_norm", [&](auto zero) {
    using T = decltype(zero);
    std::vector<T> factor(static_cast<std::size_t>(c));
    for (int64_t k = 0; k < c; ++k)
      factor[std::size_t(k)] = gamma.data<T>()[k] * inverse_std.data<T>()[k];
    parallel_for(pixels, pixel_grain(c), [&](int64_t begin, int64_t end) {
      const T* __restrict a = factor.data(), * __restrict b = beta.data<T>();
      const T* __restrict m = mean.data<T>();
      for (int64_t p = begin; p < end; ++p) {
        const T* __restrict from = x.data<T>() + p * c;
        T* __restrict to = y.data<T>() + p * c;
        for (int64_t k = 0; k < c; ++k) to[k] = (from[k] - m[k]) * a[k] + b[k];
      }
    });
  });
}

// With u = (x - mean) * inverse_std:  gbeta = sum gy,  ggamma = sum gy u,
//   gx = gamma * inverse_std * (gy - [training] (gbeta + u * ggamma) / pixels).
void batch_norm_backward_cpu(const Tensor& x, const Tensor& gy, const Tensor& mean,
                             const Tensor& inverse_std, const Tensor& gamma, bool training,
                             const Tensor& gx, const Tensor& ggamma, const Tensor& gbeta) {
  const int64_t c = x.dim(3), pixels = x.numel() / std::max<int64_t>(c, 1);
  for_float(x.dtype(), "batch_norm", [&](auto zero) {
    using T = decltype(zero);
    const T *px = x.data<T>(), *pg = gy.data<T>(), *m = mean.data<T>();
    const T *s = inverse_std.data<T>(), *g = gamma.data<T>();
    const std::vector<double> sums = sum_over_pixels(pixels, 2 * c, [&](int64_t p, double* total) {
      const T* __restrict gradient = pg + p * c, * __restrict value = px + p * c;
      double* __restrict beta = total, * __restrict ggamma_sum = total + c;
      for (int64_t k = 0; k < c; ++k) beta[k] += double(gradient[k]);
      for (int64_t k = 0; k < c; ++k)
        ggamma_sum[k] += double(gradient[k]) * double((value[k] - m[k]) * s[k]);
    });
    for (int64_t k = 0; k < c; ++k) {
      gbeta.data<T>()[k] = T(sums[std::size_t(k)]);
      ggamma.data<T>()[k] = T(sums[std::size_t(c + k)]);
    }
    const T share = T(1 / double(pixels));
    const T *gb = gbeta.data<T>(), *gg = ggamma.data<T>();
    std::vector<T> factor(static_cast<std::size_t>(c));
    for (int64_t k = 0; k < c; ++k) factor[std::size_t(k)] = g[k] * s[k];
    parallel_for(pixels, pixel_grain(c), [&](int64_t begin, int64_t end) {
      const T* __restrict f = factor.data();
      for (int64_t p = begin; p < end; ++p) {
        const T* __restrict from = pg + p * c, * __restrict value = px + p * c;
        T* __restrict to = gx.data<T>() + p * c;
        if (training)
          for (int64_t k = 0; k < c; ++k)
            to[k] = f[k] * (from[k] - share * (gb[k] + (value[k] - m[k]) * s[k] * gg[k]));
        else
          for (int64_t k = 0; k < c; ++k) to[k] = f[k] * from[k];
      }
    });
  });
}

// f(row) for each line along the last axis.
template <class F>
void for_rows(const Tensor& x, F&& f) {
  const int64_t c = x.dim(-1);
  if (x.numel() == 0) return;
  parallel_for(x.numel() / c, pixel_grain(c), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) f(i * c);
  });
}

template <class T>
double length(const T* x, int64_t c) {
  double square = 0;
  for (int64_t k = 0; k < c; ++k) square += double(x[k]) * double(x[k]);
  return std::sqrt(square);
}

void l2_normalize_forward_cpu(const Tensor& x, double eps, const Tensor& y) {
  for_float(x.dtype(), "l2_normalize", [&](auto zero) {
    using T = decltype(zero);
    const int64_t c = x.dim(-1);
    for_rows(x, [&](int64_t first) {
      const T* from = x.data<T>() + first;
      T* to = y.data<T>() + first;
      const T factor = T(1 / std::max(length(from, c), eps));
      for (int64_t k = 0; k < c; ++k) to[k] = from[k] * factor;
    });
  });
}

// |x| > eps: gx = (gy - x <x, gy> / |x|^2) / |x|;  else gx = gy / eps.
void l2_normalize_backward_cpu(const Tensor& x, const Tensor& gy, double eps, const Tensor& gx) {
  for_float(x.dtype(), "l2_normalize", [&](auto zero) {
    using T = decltype(zero);
    const int64_t c = x.dim(-1);
    for_rows(x, [&](int64_t first) {
      const T *from = x.data<T>() + first, *g = gy.data<T>() + first;
      T* to = gx.data<T>() + first;
      const double norm = length(from, c);
      double dot = 0;
      if (norm >= eps) {
        for (int64_t k = 0; k < c; ++k) dot += double(from[k]) * double(g[k]);
        dot /= norm * norm;
      }
      const T along = T(dot), factor = T(1 / std::max(norm, eps));
      for (int64_t k = 0; k < c; ++k) to[k] = (g[k] - from[k] * along) * factor;
    });
  });
}

}  // namespace

Kernel<void(const Tensor&, BatchNormOptions, const Tensor&, const Tensor&, const Tensor&,
            const Tensor&)>
    batch_norm_statistics{"batch_norm_statistics", batch_norm_statistics_cpu};
Kernel<void(const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&,
            const Tensor&)>
    batch_norm_forward{"batch_norm_forward", batch_norm_forward_cpu};
Kernel<void(const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&, bool,
            const Tensor&, const Tensor&, const Tensor&)>
    batch_norm_backward{"batch_norm_backward", batch_norm_backward_cpu};
Kernel<void(const Tensor&, double, const Tensor&)> l2_normalize_forward{"l2_normalize_forward",
                                                                        l2_normalize_forward_cpu};
Kernel<void(const Tensor&, const Tensor&, double, const Tensor&)> l2_normalize_backward{
    "l2_normalize_backward", l2_normalize_backward_cpu};

}  // namespace kernels

Tensor batch_norm(const Tensor& x, const Tensor& gamma, const Tensor& beta, Tensor& running_mean,
                  Tensor& running_var, BatchNormOptions options) {
  check<ShapeError>(x.rank() == 4, "batch_norm: expected x [n,h,w,c]; x is ", x.shape());
  const Shape channels{x.dim(3)};
  check<ShapeError>(gamma.shape() == channels && beta.shape() == channels &&
                        running_mean.shape() == channels && running_var.shape() == channels,
                    "batch_norm: expected gamma, beta, running_mean, running_var ", channels,
                    "; given ", gamma.shape(), ", ", beta.shape(), ", ", running_mean.shape(), ", ",
                    running_var.shape(), ", x is ", x.shape());
  const DType dtype = x.dtype() == DType::f64 ? DType::f64 : DType::f32;
  for (const Tensor* t : {&gamma, &beta, &std::as_const(running_mean), &std::as_const(running_var)})
    check<DTypeError>(t->dtype() == dtype, "batch_norm: expected gamma, beta, running_mean, ",
                      "running_var of type ", dtype, "; given ", t->dtype(), ", x is ", x.dtype());
  for (const Tensor* t : {&gamma, &beta, &std::as_const(running_mean), &std::as_const(running_var)})
    check<DeviceError>(t->device() == x.device(), "batch_norm: x is on ", x.device(),
                       ", but gamma, beta, running_mean or running_var on ", t->device());
  check(!options.training || x.numel() > channels[0],
        "batch_norm: expected more than one value per channel in training; x is ", x.shape());
  Tensor mean = Tensor::empty(channels, dtype, x.device());
  Tensor inverse_std = Tensor::empty(channels, dtype, x.device());
  Tensor y = Tensor::empty(x.shape(), x.dtype(), x.device());
  kernels::batch_norm_statistics(x.device(), x, options, running_mean, running_var, mean,
                                 inverse_std);
  kernels::batch_norm_forward(x.device(), x, mean, inverse_std, gamma, beta, y);
  if (!recording(x, gamma, beta)) return y;
  return record(y, "batch_norm", {x, gamma, beta},
                [x = x.detach(), gamma = gamma.detach(), mean, inverse_std,
                 training = options.training](const Tensor& gy) -> Tensors {
                  const Shape& shape = gamma.shape();
                  Tensor gx = Tensor::empty(x.shape(), x.dtype(), x.device());
                  Tensor ggamma = Tensor::empty(shape, gamma.dtype(), x.device());
                  Tensor gbeta = Tensor::empty(shape, gamma.dtype(), x.device());
                  kernels::batch_norm_backward(x.device(), x, gy, mean, inverse_std, gamma,
                                               training, gx, ggamma, gbeta);
                  return {gx, ggamma, gbeta};
                });
}

Tensor l2_normalize(const Tensor& x, double eps) {
  check<ShapeError>(x.rank() > 0, "l2_normalize: expected at least one axis; x is ", x.shape());
  Tensor y = Tensor::empty(x.shape(), x.dtype(), x.device());
  kernels::l2_normalize_forward(x.device(), x, eps, y);
  if (!recording(x)) return y;
  return record(y, "l2_normalize", {x}, [x = x.detach(), eps](const Tensor& gy) -> Tensors {
    Tensor gx = Tensor::empty(x.shape(), x.dtype(), x.device());
    kernels::l2_normalize_backward(x.device(), x, gy, eps, gx);
    return {gx};
  });
}

}  // namespace munet
