// Reductions. Sums are cut into blocks by the shape alone, so they do not depend on the threads.
#include "autograd/ops/reduce.h"

#include <algorithm>

#include "autograd/node.h"
#include "tensor/parallel.h"
#include "tensor/walk.h"

namespace munet {
namespace kernels {
namespace {

constexpr int64_t kGrain = 16384;  // elements per range

// Eight running sums, because the compiler may not reorder one.
template <class T>
double row_sum(const T* x, int64_t n) {
  double part[8] = {}, total = 0;
  int64_t i = 0;
  for (; i + 8 <= n; i += 8)
    for (int j = 0; j < 8; ++j) part[j] += double(x[i + j]);
  for (; i < n; ++i) total += double(x[i]);
  for (double p : part) total += p;
  return total;
}

// to[j] = sum of `columns` neighbouring columns over `rows` rows of x, `stride` apart.
template <class T>
void column_sums(const T* x, int64_t rows, int64_t stride, int64_t columns, double* __restrict to) {
  if (stride == 1) {
    *to = row_sum(x, rows);
    return;
  }
  std::fill_n(to, columns, 0.0);
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j) to[j] += double(x[i * stride + j]);
}

// x [outer, size, inner] -> y [outer, inner] = factor * sum over the middle axis.
template <class From, class To>
void sum_middle(const From* x, int64_t outer, int64_t size, int64_t inner, double factor, To* y) {
  constexpr int64_t kColumns = 512, kBlock = 65536;
  const int64_t columns = std::max<int64_t>(1, std::min(inner, kColumns)), rows = kBlock / columns;
  const int64_t column_blocks = (inner + columns - 1) / columns;
  const int64_t row_blocks = std::max<int64_t>(1, (size + rows - 1) / rows);
  const bool direct = row_blocks == 1;
  Tensor partial;  // [outer, row_blocks, inner]
  if (!direct) partial = Tensor::empty({outer, row_blocks, inner}, DType::f64);
  const int64_t grain = kGrain / std::max<int64_t>(1, std::min(size, rows) * columns);
  parallel_for(outer * row_blocks * column_blocks, grain, [&](int64_t begin, int64_t end) {
    double buffer[kColumns];
    int64_t column = begin % column_blocks * columns, block = begin / column_blocks;
    for (int64_t t = begin; t < end; ++t) {
      const int64_t o = direct ? block : block / row_blocks;
      const int64_t first = direct ? 0 : block % row_blocks * rows;
      const int64_t wide = std::min(columns, inner - column);
      double* sums = direct ? buffer : partial.data<double>() + block * inner + column;
      column_sums(x + (o * size + first) * inner + column, std::min(rows, size - first), inner,
                  wide, sums);
      if (direct)
        for (int64_t j = 0; j < wide; ++j) y[o * inner + column + j] = To(factor * sums[j]);
      column += columns;
      if (column >= inner) column = 0, ++block;
    }
  });
  if (!direct) sum_middle(partial.data<double>(), outer, row_blocks, inner, factor, y);
}

// Groups of neighbouring summed axes are summed one after the other, the last group first.
void sum_cpu(const Tensor& x, const std::vector<bool>& summed, double factor, const Tensor& y) {
  for_float(x.dtype(), "sum", [&](auto zero) {
    using T = decltype(zero);
    Tensor whole = x.detach();  // what is left to sum, [outer, size, inner]
    int64_t inner = 1;
    int axis = x.rank() - 1;
    for (;;) {
      int64_t size = 1, outer = 1;
      for (; axis >= 0 && !summed[std::size_t(axis)]; --axis) inner *= x.dim(axis);
      for (; axis >= 0 && summed[std::size_t(axis)]; --axis) size *= x.dim(axis);
      bool last = true;
      for (int i = axis; i >= 0; --i) {
        outer *= x.dim(i);
        last = last && !summed[std::size_t(i)];
      }
      const auto step = [&](auto* to, double f) {
        if (whole.dtype() == DType::f64)
          sum_middle(whole.data<double>(), outer, size, inner, f, to);
        else
          sum_middle(whole.data<T>(), outer, size, inner, f, to);
      };
      if (last) return step(y.data<T>(), factor);
      const Tensor next = Tensor::empty({outer, inner}, DType::f64);
      step(next.data<double>(), 1);
      whole = next;
    }
  });
}

void sum_backward_cpu(const Tensor& gy, double factor, const Tensor& gx) {
  Walk walk;
  int64_t step = 1, whole = 1;
  for (int i = gx.rank() - 1; i >= 0; --i) {
    walk.add(gx.dim(i), gy.dim(i) == 1 ? 0 : step, whole);
    step *= gy.dim(i);
    whole *= gx.dim(i);
  }
  for_float(gx.dtype(), "sum", [&](auto zero) {
    using T = decltype(zero);
    const T* from = gy.data<T>();
    T* to = gx.data<T>();
    const T f = T(factor);
    parallel_for(gx.numel(), kGrain, [&](int64_t begin, int64_t end) {
      walk.for_runs(begin, end, [&](int64_t i, int64_t a, int64_t, int64_t n) {
        if (walk.step_a() == 0)
          std::fill_n(to + i, n, f * from[a]);
        else
          for (int64_t k = 0; k < n; ++k) to[i + k] = f * from[a + k];
      });
    });
  });
}

void max_forward_cpu(const Tensor& x, int axis, const Tensor& y, const Tensor& index) {
  const Lines lines(x.shape(), axis);
  for_float(x.dtype(), "max", [&](auto zero) {
    using T = decltype(zero);
    const T* from = x.data<T>();
    T* to = y.data<T>();
    int32_t* at = index ? index.data<int32_t>() : nullptr;
    const auto line = [&](int64_t i, int64_t first) {
      int64_t best = 0;
      T value = from[first];
      for (int64_t k = 1; k < lines.size; ++k) {
        const T v = from[first + k * lines.inner];
        if (!(v <= value) && value == value) value = v, best = k;  // the first NaN stays
      }
      to[i] = value;
      if (at) at[i] = int32_t(best);
    };
    parallel_for(lines.count(), kGrain / lines.size,
                 [&](int64_t begin, int64_t end) { lines.for_each(begin, end, line); });
  });
}

void max_backward_cpu(const Tensor& gy, const Tensor& index, int axis, const Tensor& gx) {
  const Lines lines(gx.shape(), axis);
  for_float(gx.dtype(), "max", [&](auto zero) {
    using T = decltype(zero);
    const T* from = gy.data<T>();
    const int32_t* at = index.data<int32_t>();
    T* to = gx.data<T>();
    const auto line = [&](int64_t i, int64_t first) {
      for (int64_t k = 0; k < lines.size; ++k)
        to[first + k * lines.inner] = k == at[i] ? from[i] : T(0);
    };
    parallel_for(lines.count(), kGrain / lines.size,
                 [&](int64_t begin, int64_t end) { lines.for_each(begin, end, line); });
  });
}

}  // namespace

Kernel<void(const Tensor&, const std::vector<bool>&, double, const Tensor&)> sum{"sum", sum_cpu};
Kernel<void(const Tensor&, double, const Tensor&)> sum_backward{"sum_backward", sum_backward_cpu};
Kernel<void(const Tensor&, int, const Tensor&, const Tensor&)> max_forward{"max_forward",
                                                                           max_forward_cpu};
Kernel<void(const Tensor&, const Tensor&, int, const Tensor&)> max_backward{"max_backward",
                                                                            max_backward_cpu};

}  // namespace kernels

namespace {

// x's shape with the marked axes of size 1, or without them.
Shape reduced(const Shape& shape, const std::vector<bool>& marked, bool keep) {
  std::vector<int64_t> sizes;
  for (int i = 0; i < shape.rank(); ++i) {
    if (!marked[std::size_t(i)]) sizes.push_back(shape[i]);
    if (marked[std::size_t(i)] && keep) sizes.push_back(1);
  }
  return Shape(sizes);
}

Tensor sum_or_mean(const char* op, const Tensor& x, const std::vector<int>& axes, bool keep,
                   bool average) {
  check(x.defined(), op, ": expected a tensor; x is undefined");
  std::vector<bool> summed(std::size_t(x.rank()), axes.empty());
  int64_t count = axes.empty() ? x.numel() : 1;
  for (int axis : axes) {
    check<ShapeError>(axis >= -x.rank() && axis < x.rank(), op, ": there is no axis ", axis,
                      "; x is ", x.shape());
    const std::size_t i = std::size_t(x.shape().index(axis));
    check<ShapeError>(!summed[i], op, ": axis ", axis, " is named twice; x is ", x.shape());
    summed[i] = true;
    count *= x.dim(axis);
  }
  const double factor = average ? 1 / double(count) : 1;
  const Tensor y = Tensor::empty(reduced(x.shape(), summed, keep), x.dtype(), x.device());
  kernels::sum(x.device(), x, summed, factor, y);
  if (!recording(x)) return y;
  return record(y, op, {x},
                [shape = x.shape(), kept = reduced(x.shape(), summed, true),
                 factor](const Tensor& gy) -> Tensors {
                  const Tensor gx = Tensor::empty(shape, gy.dtype(), gy.device());
                  kernels::sum_backward(gy.device(), gy.view(kept), factor, gx);
                  return {gx};
                });
}

}  // namespace

Tensor sum(const Tensor& x, const std::vector<int>& axes, bool keep) {
  return sum_or_mean("sum", x, axes, keep, false);
}
Tensor mean(const Tensor& x, const std::vector<int>& axes, bool keep) {
  return sum_or_mean("mean", x, axes, keep, true);
}

namespace {

// y = the maximum along an axis, and its index where it is wanted.
Tensor maximum(const char* op, const Tensor& x, int axis, bool keep, bool wanted, Tensor& index) {
  check<ShapeError>(axis >= -x.rank() && axis < x.rank(), op, ": there is no axis ", axis,
                    "; x is ", x.shape());
  check<ShapeError>(x.dim(axis) > 0, op, ": expected at least one element along axis ", axis,
                    "; x is ", x.shape());
  std::vector<bool> marked(std::size_t(x.rank()), false);
  marked[std::size_t(x.shape().index(axis))] = true;
  const Tensor y = Tensor::empty(reduced(x.shape(), marked, keep), x.dtype(), x.device());
  if (wanted) index = Tensor::empty(y.shape(), DType::i32, x.device());
  kernels::max_forward(x.device(), x, axis, y, index);
  return y;
}

}  // namespace

Tensor max(const Tensor& x, int axis, bool keep) {
  Tensor index;
  const Tensor y = maximum("max", x, axis, keep, recording(x), index);
  if (!recording(x)) return y;
  return record(y, "max", {x}, [shape = x.shape(), index, axis](const Tensor& gy) -> Tensors {
    const Tensor gx = Tensor::empty(shape, gy.dtype(), gy.device());
    kernels::max_backward(gy.device(), gy, index, axis, gx);
    return {gx};
  });
}

Tensor argmax(const Tensor& x, int axis) {
  Tensor index;
  maximum("argmax", x, axis, false, true, index);
  return index;
}

}  // namespace munet
