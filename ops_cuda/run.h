// What a CUDA kernel's body is written in, and how it runs on the host. Plain C++: with nvcc a body
// is compiled for both sides, without it the host test runs the very same lines. Read this first.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>

#include "ops_cuda/block.h"
#include "tensor/dtype.h"
#include "tensor/error.h"

#ifdef __CUDACC__
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#endif

namespace munet::cuda {

// Bodies are of two kinds, structs that are passed by value and hold pointers and sizes:
//
//   loop:   void operator()(uint32_t i) const         computes output i; calls are independent
//   block:  static constexpr int kThreads;            threads that work together
//           struct Local {...};                       each one's own numbers
//           struct Shared {...};                      their common memory, uninitialised
//           template <class Block>                    work cut into phases by block.each (block.h)
//           void operator()(Block& block, uint32_t index, Shared& shared) const;
//
// A twin is a template over `Run`, which has two functions: OnDevice (cuda.h) launches kernels,
// OnHost calls the bodies, in an order that no correct body can notice.
struct OnHost {
  template <class Body>
  static void loop(const char*, int64_t n, const Body& body) {
    for (int64_t i = n; i-- > 0;) body(uint32_t(i));
  }
  template <class Body>
  static void blocks(const char*, int64_t count, const Body& body) {
    using Block = HostBlock<typename Body::Local, Body::kThreads>;
    const auto shared = std::make_unique<typename Body::Shared>();
    for (int64_t i = count; i-- > 0;) {
      std::memset(static_cast<void*>(shared.get()), 0xFF, sizeof(*shared));
      const auto block = std::make_unique<Block>();
      block->backwards = i % 2;
      body(*block, uint32_t(i), *shared);
    }
  }
};

// Division of numbers below 2^31 by a fixed one, without the division: n / d = n * m >> (32 + s).
struct Divider {
  uint32_t divisor = 1, factor = 0, shift = 0;
  Divider() = default;
  explicit Divider(int64_t d) : divisor(uint32_t(d)) {
    check(d >= 1 && d < (int64_t{1} << 31), "cuda: a size is 1 to 2^31 - 1; given ", d);
    while ((uint64_t{1} << shift) < uint64_t(d)) ++shift;
    factor =
        uint32_t(((uint64_t{1} << 32) * ((uint64_t{1} << shift) - uint64_t(d))) / uint64_t(d) + 1);
  }
  HOST_DEVICE uint32_t divide(uint32_t n) const {
    const uint32_t high = uint32_t((uint64_t(n) * factor) >> 32);
    return (high + n) >> shift;
  }
  // n becomes the quotient; returns the remainder.
  HOST_DEVICE uint32_t split(uint32_t& n) const {
    const uint32_t quotient = divide(n), rest = n - quotient * divisor;
    n = quotient;
    return rest;
  }
};

// The type that sums and functions of a storage type are computed in.
template <class T>
struct compute_t {
  using type = float;
};
template <>
struct compute_t<double> {
  using type = double;
};
template <class T>
using Compute = typename compute_t<T>::type;

// From storage to compute type and back, rounding to nearest even.
template <class T>
HOST_DEVICE T widen(T x) {
  return x;
}
HOST_DEVICE inline float widen(half x) {
#ifdef __CUDA_ARCH__
  return __half2float(__ushort_as_half(x.bits));
#else
  return float(x);
#endif
}
HOST_DEVICE inline float widen(bfloat16 x) {
#ifdef __CUDA_ARCH__
  return __uint_as_float(uint32_t(x.bits) << 16);
#else
  return float(x);
#endif
}
template <class T, class C>
HOST_DEVICE T narrow_to(C x) {
  if constexpr (std::is_same_v<T, half>) {
#ifdef __CUDA_ARCH__
    T y;
    y.bits = __half_as_ushort(__float2half_rn(float(x)));
    return y;
#else
    return half(float(x));
#endif
  } else if constexpr (std::is_same_v<T, bfloat16>) {
#ifdef __CUDA_ARCH__
    T y;
    y.bits = __bfloat16_as_ushort(__float2bfloat16_rn(float(x)));
    return y;
#else
    return bfloat16(float(x));
#endif
  } else {
    return T(x);
  }
}

// N neighbouring numbers, read and written by one instruction.
template <class T, int N>
struct alignas(sizeof(T) * N) Pack {
  T v[N];
};
template <int N, class T>
HOST_DEVICE Pack<T, N> load(const T* p) {
  return *reinterpret_cast<const Pack<T, N>*>(p);
}
template <int N, class T>
HOST_DEVICE void store(T* p, const Pack<T, N>& x) {
  *reinterpret_cast<Pack<T, N>*>(p) = x;
}
// Whether all these addresses allow packs of `bytes`.
template <class... P>
bool aligned(std::size_t bytes, const P*... p) {
  return ((reinterpret_cast<std::uintptr_t>(p) % bytes == 0) && ...);
}

// f(T{}) for the types that are stored on a GPU: f32, f64, f16, bf16. DTypeError names `op`.
template <class F>
decltype(auto) for_stored(DType dtype, const char* op, F&& f) {
  switch (dtype) {
    case DType::f32:
      return f(float{});
    case DType::f64:
      return f(double{});
    case DType::f16:
      return f(half{});
    case DType::bf16:
      return f(bfloat16{});
    default:
      throw DTypeError(str(op, ": ", dtype, " is not computed on a GPU; cast to f32"));
  }
}
// f(T{}) for f32 and f64: losses and what else is not worth storing in half.
template <class F>
decltype(auto) for_precise(DType dtype, const char* op, F&& f) {
  if (dtype == DType::f32) return f(float{});
  if (dtype == DType::f64) return f(double{});
  throw DTypeError(str(op, ": ", dtype, " is not computed on a GPU; cast to f32"));
}

}  // namespace munet::cuda
