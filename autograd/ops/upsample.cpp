// Bilinear and nearest resizing, one axis after the other: rows first, into one row of scratch,
// then columns. The gradient is the transposed pair of passes, so it gathers and needs no atomics.
#include "autograd/ops/upsample.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "autograd/node.h"
#include "tensor/parallel.h"

namespace munet {
namespace kernels {
namespace {

// Result i of an axis is (1 - weight) * source[low] + weight * source[high].
struct Tap {
  int64_t low, high;
  double weight;
  double of(int64_t source) const {
    return (source == low ? 1 - weight : 0) + (source == high ? weight : 0);
  }
};

std::vector<Tap> axis_taps(int64_t in, int64_t out, bool nearest, bool align_corners) {
  std::vector<Tap> taps;
  for (int64_t i = 0; i < out; ++i) {
    if (nearest) {
      taps.push_back({i * in / out, i * in / out, 0});
      continue;
    }
    double at = std::max((double(i) + 0.5) * double(in) / double(out) - 0.5, 0.0);
    if (align_corners) at = out > 1 ? double(i) * double(in - 1) / double(out - 1) : 0;
    const int64_t low = std::min(int64_t(at), in - 1);
    taps.push_back({low, std::min(low + 1, in - 1), at - double(low)});
  }
  return taps;
}

// For each source, the results [first, last) that it takes part in: taps are monotone.
struct Range {
  int64_t first, last;
};
std::vector<Range> users(const std::vector<Tap>& taps, int64_t in) {
  std::vector<Range> ranges(std::size_t(in), Range{int64_t(taps.size()), 0});
  for (int64_t i = 0; i < int64_t(taps.size()); ++i)
    for (int64_t source : {taps[std::size_t(i)].low, taps[std::size_t(i)].high}) {
      Range& r = ranges[std::size_t(source)];
      r = {std::min(r.first, i), std::max(r.last, i + 1)};
    }
  return ranges;
}

template <class T>
void mix(const T* __restrict a, const T* __restrict b, T weight, int64_t n, T* __restrict y) {
  for (int64_t i = 0; i < n; ++i) y[i] = a[i] + weight * (b[i] - a[i]);
}

template <class T>
void add_scaled(const T* __restrict x, T weight, int64_t n, T* __restrict y) {
  for (int64_t i = 0; i < n; ++i) y[i] += weight * x[i];
}

void resize_forward_cpu(const Tensor& x, bool nearest, ResizeOptions o, const Tensor& y) {
  const int64_t h = x.dim(1), w = x.dim(2), c = x.dim(3);
  const std::vector<Tap> rows = axis_taps(h, o.height, nearest, o.align_corners);
  const std::vector<Tap> columns = axis_taps(w, o.width, nearest, o.align_corners);
  for_float(x.dtype(), "upsample", [&](auto zero) {
    using T = decltype(zero);
    parallel_for(x.dim(0) * o.height, 1, [&](int64_t begin, int64_t end) {
      const auto mixed = std::make_unique_for_overwrite<T[]>(std::size_t(w * c));
      for (int64_t i = begin; i < end; ++i) {
        const Tap& row = rows[std::size_t(i % o.height)];
        const T* image = x.data<T>() + i / o.height * h * w * c;
        const T* source = image + row.low * w * c;
        if (row.weight != 0) {
          mix(source, image + row.high * w * c, T(row.weight), w * c, mixed.get());
          source = mixed.get();
        }
        T* to = y.data<T>() + i * o.width * c;
        if (c == 1 && !nearest) {  // no channels to run along: keep the loop bare
          for (int64_t j = 0; j < o.width; ++j) {
            const Tap& t = columns[std::size_t(j)];
            to[j] = source[t.low] + T(t.weight) * (source[t.high] - source[t.low]);
          }
          continue;
        }
        for (const Tap& column : columns) {
          const T* from = source + column.low * c;
          if (column.weight == 0)
            std::copy_n(from, c, to);
          else
            mix(from, source + column.high * c, T(column.weight), c, to);
          to += c;
        }
      }
    });
  });
}

void resize_backward_cpu(const Tensor& gy, bool nearest, ResizeOptions o, const Tensor& gx) {
  const int64_t h = gx.dim(1), w = gx.dim(2), c = gx.dim(3), line = o.width * c;
  const std::vector<Tap> rows = axis_taps(h, o.height, nearest, o.align_corners);
  const std::vector<Tap> columns = axis_taps(w, o.width, nearest, o.align_corners);
  const std::vector<Range> of_row = users(rows, h), of_column = users(columns, w);
  for_float(gy.dtype(), "upsample", [&](auto zero) {
    using T = decltype(zero);
    parallel_for(gx.dim(0) * h, 1, [&](int64_t begin, int64_t end) {
      const auto total = std::make_unique_for_overwrite<T[]>(std::size_t(line));
      for (int64_t i = begin; i < end; ++i) {
        const int64_t iy = i % h;
        std::fill_n(total.get(), line, T(0));
        const Range r = of_row[std::size_t(iy)];
        for (int64_t oy = r.first; oy < r.last; ++oy)
          add_scaled(gy.data<T>() + (i / h * o.height + oy) * line, T(rows[std::size_t(oy)].of(iy)),
                     line, total.get());
        T* to = gx.data<T>() + i * w * c;
        std::fill_n(to, w * c, T(0));
        for (int64_t ix = 0; ix < w; ++ix, to += c) {
          const Range s = of_column[std::size_t(ix)];
          for (int64_t ox = s.first; ox < s.last; ++ox)
            add_scaled(total.get() + ox * c, T(columns[std::size_t(ox)].of(ix)), c, to);
        }
      }
    });
  });
}

}  // namespace

Kernel<void(const Tensor&, bool, ResizeOptions, const Tensor&)> resize_forward{"resize_forward",
                                                                               resize_forward_cpu};
Kernel<void(const Tensor&, bool, ResizeOptions, const Tensor&)> resize_backward{
    "resize_backward", resize_backward_cpu};

}  // namespace kernels

namespace {

Tensor resize(const char* op, const Tensor& x, bool nearest, ResizeOptions options) {
  check<ShapeError>(x.rank() == 4 && x.dim(1) > 0 && x.dim(2) > 0, op,
                    ": expected x [n,h,w,c] with at least one pixel; x is ", x.shape());
  check<ShapeError>(options.height > 0 && options.width > 0, op,
                    ": expected a positive height and width; given ", options.height, " x ",
                    options.width, ", x is ", x.shape());
  Tensor y =
      Tensor::empty({x.dim(0), options.height, options.width, x.dim(3)}, x.dtype(), x.device());
  kernels::resize_forward(x.device(), x, nearest, options, y);
  if (!recording(x)) return y;
  return record(y, op, {x}, [in = x.shape(), nearest, options](const Tensor& gy) -> Tensors {
    Tensor gx = Tensor::empty(in, gy.dtype(), gy.device());
    kernels::resize_backward(gy.device(), gy, nearest, options, gx);
    return {gx};
  });
}

}  // namespace

Tensor upsample_bilinear(const Tensor& x, ResizeOptions options) {
  return resize("upsample_bilinear", x, false, options);
}
Tensor upsample_nearest(const Tensor& x, ResizeOptions options) {
  return resize("upsample_nearest", x, true, options);
}

}  // namespace munet
