#include "autograd/ops/softmax.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "autograd/node.h"
#include "tensor/cpu/rows.h"
#include "tensor/parallel.h"
#include "tensor/walk.h"

namespace munet {
namespace kernels {
namespace {

// Calls f(block, n) for the lines of y in blocks of n <= 64, turned so that element k of the
// block's line l is block[k * n + l]: whatever the axis, loops over l run on vectors. Reads x into
// the block before f and writes it to y after.
template <class T, class F>
void for_blocks(const Lines& lines, const T* x, T* y, F&& f) {
  const int64_t most = lines.size <= 512 ? 64 : 8, grain = 16384 / lines.size / most * most;
  parallel_for(lines.count(), std::max(most, grain), [&](int64_t begin, int64_t end) {
    std::vector<T> block(std::size_t(lines.size * most));
    for (int64_t i = begin; i < end; i += most) {
      const int64_t n = std::min(most, end - i);
      lines.for_each(i, i + n, [&](int64_t line, int64_t first) {
        for (int64_t k = 0; k < lines.size; ++k)
          block[std::size_t(k * n + line - i)] = x[first + k * lines.inner];
      });
      f(block.data(), n);
      lines.for_each(i, i + n, [&](int64_t line, int64_t first) {
        for (int64_t k = 0; k < lines.size; ++k)
          y[first + k * lines.inner] = block[std::size_t(k * n + line - i)];
      });
    }
  });
}

void softmax_forward_cpu(const Tensor& x, int axis, bool logarithm, const Tensor& y) {
  const Lines lines(x.shape(), axis);
  for_float(x.dtype(), "softmax", [&](auto zero) {
    using T = decltype(zero);
    for_blocks(lines, x.data<T>(), y.data<T>(), [&](T* block, int64_t n) {
      T largest[64], power[64];
      double total[64] = {};
      std::copy_n(block, n, largest);  // subtracted, so that exp cannot overflow
      T* const end = block + lines.size * n;
      for (T* row = block + n; row < end; row += n)
        for (int64_t l = 0; l < n; ++l) largest[l] = row[l] > largest[l] ? row[l] : largest[l];
      for (T* row = block; row < end; row += n) {
        for (int64_t l = 0; l < n; ++l) power[l] = row[l] -= largest[l];
        cpu::exp_row(n, T(1), T(0), power, power, 8);
        for (int64_t l = 0; l < n; ++l) total[l] += power[l];
        if (!logarithm) std::copy_n(power, n, row);
      }
      for (int64_t l = 0; l < n; ++l) total[l] = logarithm ? std::log(total[l]) : 1 / total[l];
      for (T* row = block; row < end; row += n)
        for (int64_t l = 0; l < n; ++l)
          row[l] = logarithm ? T(row[l] - total[l]) : T(row[l] * total[l]);
    });
  });
}

// softmax: gx = y * (gy - sum(gy * y));  log_softmax: gx = gy - exp(y) * sum(gy).
void softmax_backward_cpu(const Tensor& y, const Tensor& gy, int axis, bool logarithm,
                          const Tensor& gx) {
  const Lines lines(y.shape(), axis);
  for_float(y.dtype(), "softmax", [&](auto zero) {
    using T = decltype(zero);
    const T *py = y.data<T>(), *pg = gy.data<T>();
    T* to = gx.data<T>();
    const auto line = [&](int64_t, int64_t first) {
      const int64_t end = first + lines.size * lines.inner;
      double total = 0;
      for (int64_t i = first; i < end; i += lines.inner)
        total += logarithm ? double(pg[i]) : double(pg[i]) * py[i];
      for (int64_t i = first; i < end; i += lines.inner)
        to[i] = logarithm ? T(pg[i] - std::exp(py[i]) * total) : T(py[i] * (pg[i] - total));
    };
    parallel_for(lines.count(), std::max<int64_t>(1, 4096 / lines.size),
                 [&](int64_t begin, int64_t end) { lines.for_each(begin, end, line); });
  });
}

}  // namespace

Kernel<void(const Tensor&, int, bool, const Tensor&)> softmax_forward{"softmax_forward",
                                                                      softmax_forward_cpu};
Kernel<void(const Tensor&, const Tensor&, int, bool, const Tensor&)> softmax_backward{
    "softmax_backward", softmax_backward_cpu};

}  // namespace kernels

namespace {

Tensor softmax_or_log(const char* op, const Tensor& x, int axis, bool logarithm) {
  check<ShapeError>(x.rank() > 0 && x.dim(axis) > 0, op,
                    ": expected at least one element along axis ", axis, "; x is ",
                    x.shape());  // 1 contract
  Tensor y = Tensor::empty(x.shape(), x.dtype(), x.device());
  kernels::softmax_forward(x.device(), x, axis, logarithm, y);  // 2 numbers
  if (!recording(x)) return y;                                  // inference ends here
  return record(y, op, {x}, [y = y.detach(), axis, logarithm](const Tensor& gy) -> Tensors {
    Tensor gx = Tensor::empty(y.shape(), y.dtype(), y.device());  // 3 gradient
    kernels::softmax_backward(y.device(), y, gy, axis, logarithm, gx);
    return {gx};
  });
}

}  // namespace

Tensor softmax(const Tensor& x, int axis) { return softmax_or_log("softmax", x, axis, false); }
Tensor log_softmax(const Tensor& x, int axis) {
  return softmax_or_log("log_softmax", x, axis, true);
}

}  // namespace munet
