// Max and average pooling. Windows may overlap, so the gradient gathers: each input row looks up
// which windows it takes part in and which tap won them.
#include "autograd/ops/pool.h"

#include <algorithm>

#include "autograd/node.h"
#include "tensor/parallel.h"

namespace munet {
namespace kernels {
namespace {

// NaN wins, as in PyTorch: a broken activation must not vanish here.
template <class T>
inline bool beats(T value, T best) {
  return value > best || value != value;
}

template <class T>
void max_pool_row(const T* x, int64_t h, int64_t w, int64_t c, int64_t oy, int64_t ow,
                  Pool2dOptions o, T* y, int32_t* taps) {
  const int64_t top = oy * o.stride - o.padding;
  const int64_t ky0 = std::max<int64_t>(0, -top), ky1 = std::min<int64_t>(o.kernel, h - top);
  for (int64_t ox = 0; ox < ow; ++ox, y += c) {
    const int64_t left = ox * o.stride - o.padding;
    const int64_t kx0 = std::max<int64_t>(0, -left), kx1 = std::min<int64_t>(o.kernel, w - left);
    T* __restrict best = y;
    std::copy_n(x + ((top + ky0) * w + left + kx0) * c, c, best);
    if (taps) std::fill_n(taps, c, int32_t(ky0 * o.kernel + kx0));
    for (int64_t ky = ky0; ky < ky1; ++ky)
      for (int64_t kx = kx0; kx < kx1; ++kx) {
        const T* __restrict value = x + ((top + ky) * w + left + kx) * c;
        const int32_t tap = int32_t(ky * o.kernel + kx);
        if (taps)
          for (int64_t k = 0; k < c; ++k) taps[k] = value[k] > best[k] ? tap : taps[k];
        for (int64_t k = 0; k < c; ++k) best[k] = beats(value[k], best[k]) ? value[k] : best[k];
      }
    if (taps) taps += c;
  }
}

void max_pool2d_forward_cpu(const Tensor& x, Pool2dOptions options, const Tensor& y,
                            const Tensor& taps) {
  const int64_t h = x.dim(1), w = x.dim(2), c = x.dim(3), oh = y.dim(1), ow = y.dim(2);
  for_float(x.dtype(), "max_pool2d", [&](auto zero) {
    using T = decltype(zero);
    const T* from = x.data<T>();
    T* to = y.data<T>();
    int32_t* tap = taps ? taps.data<int32_t>() : nullptr;
    parallel_for(y.dim(0) * oh, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        max_pool_row(from + i / oh * h * w * c, h, w, c, i % oh, ow, options, to + i * ow * c,
                     tap ? tap + i * ow * c : nullptr);
    });
  });
}

void max_pool2d_backward_cpu(const Tensor& gy, const Tensor& taps, Pool2dOptions o,
                             const Tensor& gx) {
  const int64_t h = gx.dim(1), w = gx.dim(2), c = gx.dim(3), oh = gy.dim(1), ow = gy.dim(2);
  // Windows o with 0 <= i + padding - o * stride < kernel.
  const auto first = [&](int64_t i) {
    return std::max<int64_t>(0, (i + o.padding - o.kernel + o.stride) / o.stride);
  };
  const auto last = [&](int64_t i, int64_t size) {
    return std::min<int64_t>(size - 1, (i + o.padding) / o.stride);
  };
  for_float(gy.dtype(), "max_pool2d", [&](auto zero) {
    using T = decltype(zero);
    parallel_for(gx.dim(0) * h, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t image = i / h, iy = i % h;
        T* to = gx.data<T>() + i * w * c;
        std::fill_n(to, w * c, T(0));
        for (int64_t ix = 0; ix < w; ++ix, to += c)
          for (int64_t oy = first(iy); oy <= last(iy, oh); ++oy)
            for (int64_t ox = first(ix); ox <= last(ix, ow); ++ox) {
              const int64_t at = ((image * oh + oy) * ow + ox) * c;
              const int32_t tap = int32_t((iy + o.padding - oy * o.stride) * o.kernel + ix +
                                          o.padding - ox * o.stride);
              const T* g = gy.data<T>() + at;
              const int32_t* won = taps.data<int32_t>() + at;
              for (int64_t k = 0; k < c; ++k) to[k] += won[k] == tap ? g[k] : T(0);
            }
      }
    });
  });
}

void global_avg_pool_forward_cpu(const Tensor& x, const Tensor& y) {
  const int64_t pixels = x.dim(1) * x.dim(2), c = x.dim(3);
  for_float(x.dtype(), "global_avg_pool", [&](auto zero) {
    using T = decltype(zero);
    parallel_for(x.dim(0), 1, [&](int64_t begin, int64_t end) {
      std::vector<double> total(static_cast<std::size_t>(c));
      for (int64_t n = begin; n < end; ++n) {
        std::fill(total.begin(), total.end(), 0.0);
        const T* from = x.data<T>() + n * pixels * c;
        for (int64_t p = 0; p < pixels; ++p, from += c)
          for (int64_t k = 0; k < c; ++k) total[std::size_t(k)] += double(from[k]);
        for (int64_t k = 0; k < c; ++k)
          y.data<T>()[n * c + k] = T(total[std::size_t(k)] / double(pixels));
      }
    });
  });
}

void global_avg_pool_backward_cpu(const Tensor& gy, const Tensor& gx) {
  const int64_t pixels = gx.dim(1) * gx.dim(2), c = gx.dim(3);
  for_float(gy.dtype(), "global_avg_pool", [&](auto zero) {
    using T = decltype(zero);
    parallel_for(gx.dim(0) * pixels, 64, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const T* g = gy.data<T>() + i / pixels * c;
        T* to = gx.data<T>() + i * c;
        for (int64_t k = 0; k < c; ++k) to[k] = g[k] / T(pixels);
      }
    });
  });
}

}  // namespace

Kernel<void(const Tensor&, Pool2dOptions, const Tensor&, const Tensor&)> max_pool2d_forward{
    "max_pool2d_forward", max_pool2d_forward_cpu};
Kernel<void(const Tensor&, const Tensor&, Pool2dOptions, const Tensor&)> max_pool2d_backward{
    "max_pool2d_backward", max_pool2d_backward_cpu};
Kernel<void(const Tensor&, const Tensor&)> global_avg_pool_forward{"global_avg_pool_forward",
                                                                   global_avg_pool_forward_cpu};
Kernel<void(const Tensor&, const Tensor&)> global_avg_pool_backward{"global_avg_pool_backward",
                                                                    global_avg_pool_backward_cpu};

}  // namespace kernels

Tensor max_pool2d(const Tensor& x, Pool2dOptions options) {
  const auto [kernel, stride, padding] = options;
  check<ShapeError>(x.rank() == 4, "max_pool2d: expected x [n,h,w,c]; x is ", x.shape());
  check<ShapeError>(kernel >= 1 && stride >= 1 && padding >= 0 && padding <= kernel / 2,
                    "max_pool2d: expected kernel >= 1, stride >= 1, padding 0..kernel/2; given ",
                    "kernel ", kernel, ", stride ", stride, ", padding ", padding);
  const int64_t h = x.dim(1) + 2 * padding, w = x.dim(2) + 2 * padding;
  check<ShapeError>(x.dim(1) > 0 && x.dim(2) > 0 && kernel <= h && kernel <= w,
                    "max_pool2d: expected a window inside the padded input; kernel ", kernel,
                    ", padding ", padding, ", x is ", x.shape());
  const Shape shape{x.dim(0), (h - kernel) / stride + 1, (w - kernel) / stride + 1, x.dim(3)};
  Tensor y = Tensor::empty(shape, x.dtype(), x.device()), taps;
  if (recording(x)) taps = Tensor::empty(shape, DType::i32, x.device());
  kernels::max_pool2d_forward(x.device(), x, options, y, taps);
  if (!taps) return y;
  return record(y, "max_pool2d", {x}, [taps, options, in = x.shape()](const Tensor& gy) -> Tensors {
    Tensor gx = Tensor::empty(in, gy.dtype(), gy.device());
    kernels::max_pool2d_backward(gy.device(), gy, taps, options, gx);
    return {gx};
  });
}

Tensor global_avg_pool(const Tensor& x) {
  check<ShapeError>(x.rank() == 4 && x.dim(1) > 0 && x.dim(2) > 0,
                    "global_avg_pool: expected x [n,h,w,c] with at least one pixel; x is ",
                    x.shape());
  Tensor y = Tensor::empty({x.dim(0), 1, 1, x.dim(3)}, x.dtype(), x.device());
  kernels::global_avg_pool_forward(x.device(), x, y);
  if (!recording(x)) return y;
  return record(y, "global_avg_pool", {x}, [in = x.shape()](const Tensor& gy) -> Tensors {
    Tensor gx = Tensor::empty(in, gy.dtype(), gy.device());
    kernels::global_avg_pool_backward(gy.device(), gy, gx);
    return {gx};
  });
}

}  // namespace munet
