// Elementwise ops. Read tensor/walk.h first: broadcasting is a walk over two operands.
#include "autograd/ops/elementwise.h"

#include <algorithm>
#include <cmath>

#include "autograd/node.h"
#include "autograd/ops/reduce.h"
#include "tensor/parallel.h"
#include "tensor/walk.h"

namespace munet {
namespace kernels {
namespace {

constexpr int64_t kGrain = 16384;  // elements per range: some ten microseconds

// How a and b are walked to make y.
Walk broadcast(const Shape& a, const Shape& b, const Shape& y) {
  Walk walk;
  int64_t step_a = 1, step_b = 1;
  for (int i = 1; i <= y.rank(); ++i) {
    const int64_t size_a = i <= a.rank() ? a[-i] : 1, size_b = i <= b.rank() ? b[-i] : 1;
    walk.add(y[-i], size_a == 1 ? 0 : step_a, size_b == 1 ? 0 : step_b);
    step_a *= size_a;
    step_b *= size_b;
  }
  return walk;
}

template <class T, class F>
void binary_loop(const Tensor& a, const Tensor& b, const Tensor& y, F f) {
  const Walk walk = broadcast(a.shape(), b.shape(), y.shape());
  const bool repeat_a = walk.step_a() == 0, repeat_b = walk.step_b() == 0;
  const T *from_a = a.data<T>(), *from_b = b.data<T>();
  T* to = y.data<T>();
  parallel_for(y.numel(), kGrain, [&](int64_t begin, int64_t end) {
    walk.for_runs(begin, end, [&](int64_t i, int64_t ia, int64_t ib, int64_t n) {
      const T *pa = from_a + ia, *pb = from_b + ib;
      T* __restrict py = to + i;
      if (repeat_b) {
        for (int64_t k = 0; k < n; ++k) py[k] = f(pa[k], *pb);
      } else if (repeat_a) {
        for (int64_t k = 0; k < n; ++k) py[k] = f(*pa, pb[k]);
      } else {
        for (int64_t k = 0; k < n; ++k) py[k] = f(pa[k], pb[k]);
      }
    });
  });
}

void binary_cpu(Binary op, const Tensor& a, const Tensor& b, const Tensor& y) {
  constexpr const char* kNames[] = {"add", "sub", "mul", "div"};
  for_float(y.dtype(), kNames[int(op)], [&](auto zero) {
    using T = decltype(zero);
    switch (op) {
      case Binary::add:
        return binary_loop<T>(a, b, y, [](T p, T q) { return p + q; });
      case Binary::sub:
        return binary_loop<T>(a, b, y, [](T p, T q) { return p - q; });
      case Binary::mul:
        return binary_loop<T>(a, b, y, [](T p, T q) { return p * q; });
      case Binary::div:
        return binary_loop<T>(a, b, y, [](T p, T q) { return p / q; });
    }
  });
}

// y = f(x), and gx = f(saved, gy).
template <class T, class F>
void map(const Tensor& x, const Tensor& y, F f) {
  const T* from = x.data<T>();
  T* __restrict to = y.data<T>();
  parallel_for(y.numel(), kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) to[i] = f(from[i]);
  });
}
template <class T, class F>
void map(const Tensor& saved, const Tensor& gy, const Tensor& gx, F f) {
  const T *ps = saved.data<T>(), *pg = gy.data<T>();
  T* __restrict to = gx.data<T>();
  parallel_for(gx.numel(), kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) to[i] = f(ps[i], pg[i]);
  });
}

constexpr const char* kUnaryNames[] = {"scale", "relu", "sigmoid", "exp", "log", "clamp"};

void unary_forward_cpu(UnaryOp op, const Tensor& x, const Tensor& y) {
  for_float(x.dtype(), kUnaryNames[op.kind], [&](auto zero) {
    using T = decltype(zero);
    const T p = T(op.p), q = T(op.q);
    switch (op.kind) {
      case UnaryOp::scale:
        return map<T>(x, y, [p, q](T v) { return p * v + q; });
      case UnaryOp::relu:
        return map<T>(x, y, [](T v) { return v < 0 ? T(0) : v; });
      // exp(-v) may overflow to infinity, whose inverse is the right limit.
      case UnaryOp::sigmoid:
        return map<T>(x, y, [](T v) { return 1 / (1 + std::exp(-v)); });
      case UnaryOp::exp:
        return map<T>(x, y, [](T v) { return std::exp(v); });
      case UnaryOp::log:
        return map<T>(x, y, [](T v) { return std::log(v); });
      case UnaryOp::clamp:
        return map<T>(x, y, [p, q](T v) { return v < p ? p : v > q ? q : v; });
    }
  });
}

void unary_backward_cpu(UnaryOp op, const Tensor& saved, const Tensor& gy, const Tensor& gx) {
  for_float(gy.dtype(), kUnaryNames[op.kind], [&](auto zero) {
    using T = decltype(zero);
    const T p = T(op.p), q = T(op.q);
    switch (op.kind) {
      case UnaryOp::scale:
        return map<T>(gy, gx, [p](T g) { return p * g; });
      case UnaryOp::relu:
        return map<T>(saved, gy, gx, [](T y, T g) { return y <= 0 ? T(0) : g; });
      case UnaryOp::sigmoid:
        return map<T>(saved, gy, gx, [](T y, T g) { return g * y * (1 - y); });
      case UnaryOp::exp:
        return map<T>(saved, gy, gx, [](T y, T g) { return g * y; });
      case UnaryOp::log:
        return map<T>(saved, gy, gx, [](T x, T g) { return g / x; });
      case UnaryOp::clamp:
        return map<T>(saved, gy, gx, [p, q](T x, T g) { return x < p || x > q ? T(0) : g; });
    }
  });
}

void cast_cpu(const Tensor& x, const Tensor& y) {
  const Tensor converted = x.detach().to(y.dtype());
  copy_bytes(y.raw(), {}, converted.raw(), {}, std::size_t(y.bytes()));
}

}  // namespace

Kernel<void(Binary, const Tensor&, const Tensor&, const Tensor&)> binary{"binary", binary_cpu};
Kernel<void(UnaryOp, const Tensor&, const Tensor&)> unary_forward{"unary_forward",
                                                                  unary_forward_cpu};
Kernel<void(UnaryOp, const Tensor&, const Tensor&, const Tensor&)> unary_backward{
    "unary_backward", unary_backward_cpu};
Kernel<void(const Tensor&, const Tensor&)> cast{"cast", cast_cpu};

}  // namespace kernels

namespace {

using kernels::Binary;
using kernels::UnaryOp;

Shape broadcast_shape(const char* op, const Tensor& a, const Tensor& b) {
  std::vector<int64_t> sizes(std::size_t(std::max(a.rank(), b.rank())));
  for (int i = 1; i <= int(sizes.size()); ++i) {
    const int64_t size_a = i <= a.rank() ? a.dim(-i) : 1, size_b = i <= b.rank() ? b.dim(-i) : 1;
    check<ShapeError>(size_a == size_b || size_a == 1 || size_b == 1, op,
                      ": expected sizes that agree or are 1, from the last axis on; a is ",
                      a.shape(), ", b is ", b.shape());
    sizes[sizes.size() - std::size_t(i)] = size_a == 1 ? size_b : size_a;
  }
  return Shape(sizes);
}

// The gradient of an input that was repeated up to g's shape.
Tensor sum_to(const Tensor& g, const Shape& shape) {
  if (g.shape() == shape) return g;
  std::vector<int> axes;
  for (int i = 1; i <= g.rank(); ++i)
    if (i > shape.rank() || (shape[-i] == 1 && g.dim(-i) != 1)) axes.push_back(g.rank() - i);
  return axes.empty() ? g.view(shape) : sum(g, axes).view(shape);
}

Tensor binary(Binary kind, const char* op, const Tensor& a, const Tensor& b) {
  check(a.defined() && b.defined(), op, ": expected two tensors; ", a ? "b" : "a", " is undefined");
  check<DTypeError>(a.dtype() == b.dtype(), op, ": expected equal dtypes; a is ", a.dtype(), " ",
                    a.shape(), ", b is ", b.dtype(), " ", b.shape());
  check<DeviceError>(a.device() == b.device(), op, ": expected equal devices; a is on ", a.device(),
                     ", b on ", b.device());
  const Tensor y = Tensor::empty(broadcast_shape(op, a, b), a.dtype(), a.device());
  kernels::binary(y.device(), kind, a, b, y);
  if (!recording(a, b)) return y;
  const bool wants_a = a.requires_grad(), wants_b = b.requires_grad();
  const bool products = kind == Binary::mul || kind == Binary::div;
  return record(
      y, op, {a, b},
      [kind, wants_a, wants_b, shape_a = a.shape(), shape_b = b.shape(),
       a = kind == Binary::mul && wants_b ? a.detach() : Tensor(),
       b = (products && wants_a) || kind == Binary::div ? b.detach() : Tensor(),
       y = kind == Binary::div && wants_b ? y.detach() : Tensor()](const Tensor& gy) -> Tensors {
        Tensor ga, gb;
        if (wants_a) {
          ga = kind == Binary::mul ? mul(gy, b) : kind == Binary::div ? div(gy, b) : gy;
          ga = sum_to(ga, shape_a);
        }
        if (wants_b) {
          gb = kind == Binary::mul ? mul(gy, a) : kind == Binary::div ? div(mul(gy, y), b) : gy;
          gb = sum_to(gb, shape_b);
          if (kind == Binary::sub || kind == Binary::div) gb = scale(gb, -1);
        }
        return {ga, gb};
      });
}

Tensor unary(UnaryOp kind, const char* op, const Tensor& x) {
  check(x.defined(), op, ": expected a tensor; x is undefined");
  const Tensor y = Tensor::empty(x.shape(), x.dtype(), x.device());
  kernels::unary_forward(x.device(), kind, x, y);
  if (!recording(x)) return y;
  const Tensor saved = kind.saves_x() ? x.detach() : kind.saves_y() ? y : Tensor();
  return record(y, op, {x}, [kind, saved](const Tensor& gy) -> Tensors {
    const Tensor gx = Tensor::empty(gy.shape(), gy.dtype(), gy.device());
    kernels::unary_backward(gy.device(), kind, saved, gy, gx);
    return {gx};
  });
}

bool is_float(DType dtype) {
  return dtype != DType::i32 && dtype != DType::i64 && dtype != DType::u8;
}

}  // namespace

Tensor add(const Tensor& a, const Tensor& b) { return binary(Binary::add, "add", a, b); }
Tensor sub(const Tensor& a, const Tensor& b) { return binary(Binary::sub, "sub", a, b); }
Tensor mul(const Tensor& a, const Tensor& b) { return binary(Binary::mul, "mul", a, b); }
Tensor div(const Tensor& a, const Tensor& b) { return binary(Binary::div, "div", a, b); }

Tensor scale(const Tensor& x, double factor, double offset) {
  return unary({UnaryOp::scale, factor, offset}, "scale", x);
}
Tensor relu(const Tensor& x) { return unary({UnaryOp::relu}, "relu", x); }
Tensor sigmoid(const Tensor& x) { return unary({UnaryOp::sigmoid}, "sigmoid", x); }
Tensor exp(const Tensor& x) { return unary({UnaryOp::exp}, "exp", x); }
Tensor log(const Tensor& x) { return unary({UnaryOp::log}, "log", x); }
Tensor clamp(const Tensor& x, double low, double high) {
  check(low <= high, "clamp: expected low <= high; given ", low, " and ", high);
  return unary({UnaryOp::clamp, low, high}, "clamp", x);
}

Tensor cast(const Tensor& x, DType dtype) {
  check(x.defined(), "cast: expected a tensor; x is undefined");
  if (x.dtype() == dtype) return x;
  const Tensor y = Tensor::empty(x.shape(), dtype, x.device());
  kernels::cast(x.device(), x, y);
  if (!recording(x) || !is_float(dtype)) return y;
  return record(y, "cast", {x},
                [own = x.dtype()](const Tensor& gy) -> Tensors { return {cast(gy, own)}; });
}

}  // namespace munet
