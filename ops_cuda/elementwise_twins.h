// Twin of autograd/ops/elementwise.cpp, and the engine's own addition. One thread makes four
// neighbouring numbers where shapes and addresses allow it.
#pragma once

#include "autograd/ops/elementwise.h"
#include "ops_cuda/steps.h"

namespace munet::cuda {

template <class T, int N>
struct BinaryBody {
  kernels::Binary op;
  Steps steps;
  bool repeat_a, repeat_b;  // within a pack
  const T *a, *b;
  T* y;
  HOST_DEVICE static Compute<T> value(kernels::Binary op, Compute<T> p, Compute<T> q) {
    switch (op) {
      case kernels::Binary::add:
        return p + q;
      case kernels::Binary::sub:
        return p - q;
      case kernels::Binary::mul:
        return p * q;
      default:
        return p / q;
    }
  }
  HOST_DEVICE void operator()(uint32_t i) const {
    int64_t at_a, at_b;
    steps.find(i, at_a, at_b);
    Pack<T, N> pa, pb, py;
    if (repeat_a)
      for (int k = 0; k < N; ++k) pa.v[k] = a[at_a];
    else
      pa = load<N>(a + at_a);
    if (repeat_b)
      for (int k = 0; k < N; ++k) pb.v[k] = b[at_b];
    else
      pb = load<N>(b + at_b);
    for (int k = 0; k < N; ++k) py.v[k] = narrow_to<T>(value(op, widen(pa.v[k]), widen(pb.v[k])));
    store<N>(y + int64_t(i) * N, py);
  }
};

template <class Run>
void binary(kernels::Binary op, const Tensor& a, const Tensor& b, const Tensor& y) {
  constexpr const char* kNames[] = {"add", "sub", "mul", "div"};
  Walk walk;
  int64_t step_a = 1, step_b = 1;
  for (int i = 1; i <= y.rank(); ++i) {
    const int64_t size_a = i <= a.rank() ? a.dim(-i) : 1, size_b = i <= b.rank() ? b.dim(-i) : 1;
    walk.add(y.dim(-i), size_a == 1 ? 0 : step_a, size_b == 1 ? 0 : step_b);
    step_a *= size_a;
    step_b *= size_b;
  }
  for_stored(y.dtype(), kNames[int(op)], [&](auto zero) {
    using T = decltype(zero);
    const T *pa = a.data<T>(), *pb = b.data<T>();
    T* py = y.data<T>();
    for_pack(packs(walk) && aligned(kPack * sizeof(T), pa, pb, py), [&](auto pack) {
      constexpr int N = decltype(pack)::value;
      Run::loop(
          kNames[int(op)], y.numel() / N,
          BinaryBody<T, N>{op, Steps(walk, N), walk.step_a() == 0, walk.step_b() == 0, pa, pb, py});
    });
  });
}

// into += x.
template <class Run>
void add_into(const Tensor& into, const Tensor& x) {
  binary<Run>(kernels::Binary::add, into, x, into);
}

template <class C>
HOST_DEVICE C unary_value(kernels::UnaryOp::Kind kind, C p, C q, C v) {
  switch (kind) {
    case kernels::UnaryOp::scale:
      return p * v + q;
    case kernels::UnaryOp::relu:
      return v < 0 ? C(0) : v;
    case kernels::UnaryOp::sigmoid:  // exp(-v) may overflow to infinity: the right limit
      return 1 / (1 + std::exp(-v));
    case kernels::UnaryOp::exp:
      return std::exp(v);
    case kernels::UnaryOp::log:
      return std::log(v);
    default:
      return v < p ? p : v > q ? q : v;
  }
}

// `saved` is x, y or nothing, as UnaryOp says.
template <class C>
HOST_DEVICE C unary_slope(kernels::UnaryOp::Kind kind, C p, C q, C saved, C g) {
  switch (kind) {
    case kernels::UnaryOp::scale:
      return p * g;
    case kernels::UnaryOp::relu:
      return saved <= 0 ? C(0) : g;
    case kernels::UnaryOp::sigmoid:
      return g * saved * (1 - saved);
    case kernels::UnaryOp::exp:
      return g * saved;
    case kernels::UnaryOp::log:
      return g / saved;
    default:
      return saved < p || saved > q ? C(0) : g;
  }
}

// gy null: y = f(x). Else: y = f'(x) gy, x being what was saved.
template <class T, int N>
struct UnaryBody {
  kernels::UnaryOp::Kind kind;
  Compute<T> p, q;
  const T *x, *gy;
  T* y;
  HOST_DEVICE void operator()(uint32_t i) const {
    const int64_t at = int64_t(i) * N;
    const Pack<T, N> px = load<N>(x + at);
    Pack<T, N> pg, py;
    if (gy) pg = load<N>(gy + at);
    for (int k = 0; k < N; ++k)
      py.v[k] = narrow_to<T>(gy ? unary_slope(kind, p, q, widen(px.v[k]), widen(pg.v[k]))
                                : unary_value(kind, p, q, widen(px.v[k])));
    store<N>(y + at, py);
  }
};

template <class Run>
void unary(kernels::UnaryOp op, const Tensor& x, const Tensor& gy, const Tensor& y) {
  constexpr const char* kNames[] = {"scale", "relu", "sigmoid", "exp", "log", "clamp"};
  for_stored(y.dtype(), kNames[op.kind], [&](auto zero) {
    using T = decltype(zero);
    const T *px = x.data<T>(), *pg = gy ? gy.data<T>() : nullptr;
    T* py = y.data<T>();
    const bool packed = y.numel() % kPack == 0 && aligned(kPack * sizeof(T), px, pg, py);
    for_pack(packed, [&](auto pack) {
      constexpr int N = decltype(pack)::value;
      Run::loop(kNames[op.kind], y.numel() / N,
                UnaryBody<T, N>{op.kind, Compute<T>(op.p), Compute<T>(op.q), px, pg, py});
    });
  });
}
template <class Run>
void unary_forward(kernels::UnaryOp op, const Tensor& x, const Tensor& y) {
  unary<Run>(op, x, {}, y);
}
template <class Run>
void unary_backward(kernels::UnaryOp op, const Tensor& saved, const Tensor& gy, const Tensor& gx) {
  unary<Run>(op, saved ? saved : gy, gy, gx);
}

template <class From, class To, int N>
struct CastBody {
  const From* x;
  To* y;
  HOST_DEVICE void operator()(uint32_t i) const {
    const Pack<From, N> from = load<N>(x + int64_t(i) * N);
    Pack<To, N> to;
    for (int k = 0; k < N; ++k) to.v[k] = narrow_to<To>(widen(from.v[k]));
    store<N>(y + int64_t(i) * N, to);
  }
};

template <class Run>
void cast(const Tensor& x, const Tensor& y) {
  for_any(x.dtype(), [&](auto from) {
    for_any(y.dtype(), [&](auto to) {
      using From = decltype(from);
      using To = decltype(to);
      const From* px = x.data<From>();
      To* py = y.data<To>();
      const bool packed = y.numel() % kPack == 0 && aligned(kPack * sizeof(From), px) &&
                          aligned(kPack * sizeof(To), py);
      for_pack(packed, [&](auto pack) {
        constexpr int N = decltype(pack)::value;
        Run::loop("cast", y.numel() / N, CastBody<From, To, N>{px, py});
      });
    });
  });
}

// set(slot, body) for each slot of the topic.
template <class Run, class Set>
void elementwise_twins(Set set) {
  set(kernels::binary, binary<Run>);
  set(kernels::unary_forward, unary_forward<Run>);
  set(kernels::unary_backward, unary_backward<Run>);
  set(kernels::cast, cast<Run>);
}

}  // namespace munet::cuda
