#include "autograd/ops/softmax.h"

#include <algorithm>
#include <cmath>

#include "autograd/node.h"
#include "tensor/parallel.h"

namespace munet {
namespace kernels {
namespace {

// x seen as [outer, size, inner] around the softmax axis.
struct Axis {
  int64_t outer = 1, size, inner = 1;
  Axis(const Shape& shape, int axis) : size(shape[axis]) {
    axis = shape.index(axis);
    for (int i = 0; i < axis; ++i) outer *= shape[i];
    for (int i = axis + 1; i < shape.rank(); ++i) inner *= shape[i];
  }
  // Calls f(first, inner) for every line along the axis: elements first + k * inner.
  template <class F>
  void for_lines(F&& f) const {
    parallel_for(outer * inner, std::max<int64_t>(1, 4096 / std::max<int64_t>(size, 1)),
                 [&](int64_t begin, int64_t end) {
                   for (int64_t i = begin; i < end; ++i) f(i / inner * size * inner + i % inner);
                 });
  }
};

void softmax_forward_cpu(const Tensor& x, int axis, bool logarithm, const Tensor& y) {
  const Axis a(x.shape(), axis);
  for_float(x.dtype(), "softmax", [&](auto zero) {
    using T = decltype(zero);
    const T* from = x.data<T>();
    T* to = y.data<T>();
    a.for_lines([&](int64_t first) {
      T largest = from[first];  // subtracted, so that exp cannot overflow
      for (int64_t k = 1; k < a.size; ++k) largest = std::max(largest, from[first + k * a.inner]);
      double total = 0;
      for (int64_t k = 0; k < a.size; ++k) {
        const int64_t i = first + k * a.inner;
        to[i] = logarithm ? from[i] - largest : std::exp(from[i] - largest);
        total += logarithm ? std::exp(to[i]) : to[i];
      }
      const T divisor = T(1 / total), shift = T(std::log(total));
      for (int64_t k = 0; k < a.size; ++k) {
        T& value = to[first + k * a.inner];
        value = logarithm ? value - shift : value * divisor;
      }
    });
  });
}

// softmax: gx = y * (gy - sum(gy * y));  log_softmax: gx = gy - exp(y) * sum(gy).
void softmax_backward_cpu(const Tensor& y, const Tensor& gy, int axis, bool logarithm,
                          const Tensor& gx) {
  const Axis a(y.shape(), axis);
  for_float(y.dtype(), "softmax", [&](auto zero) {
    using T = decltype(zero);
    const T *py = y.data<T>(), *pg = gy.data<T>();
    T* to = gx.data<T>();
    a.for_lines([&](int64_t first) {
      double total = 0;
      for (int64_t k = 0; k < a.size; ++k) {
        const int64_t i = first + k * a.inner;
        total += logarithm ? double(pg[i]) : double(pg[i]) * py[i];
      }
      for (int64_t k = 0; k < a.size; ++k) {
        const int64_t i = first + k * a.inner;
        to[i] = logarithm ? T(pg[i] - std::exp(py[i]) * total) : T(py[i] * (pg[i] - total));
      }
    });
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
  check<ShapeError>(x.rank() > 0 && x.dim(axis) > 0, op, ": expected at least one element along axis ",
                    axis, "; x is ", x.shape());                            // 1 contract
  Tensor y = Tensor::empty(x.shape(), x.dtype(), x.device());
  kernels::softmax_forward(x.device(), x, axis, logarithm, y);              // 2 numbers
  if (!recording(x)) return y;                                              // inference ends here
  return record(y, op, {x}, [y = y.detach(), axis, logarithm](const Tensor& gy) -> Tensors {
    Tensor gx = Tensor::empty(y.shape(), y.dtype(), y.device());            // 3 gradient
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
