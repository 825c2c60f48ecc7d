// Element types. f32 computes; f64 checks gradients; f16 and bf16 are storage (and compute on
// CUDA); i32, i64 and u8 are indices, labels and images.
#pragma once

#include <cstdint>
#include <cstring>
#include <ostream>
#include <utility>

#include "tensor/error.h"

namespace munet {

enum class DType { f32, f64, f16, bf16, i32, i64, u8 };

// IEEE 754 binary16, round to nearest even. Only storage: convert to float to compute.
struct half {
  uint16_t bits = 0;
  half() = default;
  explicit half(float value);
  explicit operator float() const;
};

// The upper 16 bits of a binary32, round to nearest even.
struct bfloat16 {
  uint16_t bits = 0;
  bfloat16() = default;
  explicit bfloat16(float value) {
    uint32_t u;
    std::memcpy(&u, &value, 4);
    const bool nan = (u & 0x7fffffffu) > 0x7f800000u;
    bits = nan ? uint16_t((u >> 16) | 64) : uint16_t((u + 0x7fffu + ((u >> 16) & 1)) >> 16);
  }
  explicit operator float() const {
    const uint32_t u = uint32_t(bits) << 16;
    float value;
    std::memcpy(&value, &u, 4);
    return value;
  }
};

inline half::half(float value) {
  uint32_t u;
  std::memcpy(&u, &value, 4);
  const uint16_t sign = uint16_t((u >> 16) & 0x8000u);
  u &= 0x7fffffffu;
  if (u > 0x7f800000u) {  // NaN stays NaN
    bits = sign | 0x7e00u;
  } else if (u >= 0x477ff000u) {  // rounds to 65536 or more: infinity
    bits = sign | 0x7c00u;
  } else if (u < 0x38800000u) {  // subnormal: let the FPU round, 0.5 has the exponent we need
    float magnitude, magic = 0.5f;
    std::memcpy(&magnitude, &u, 4);
    magnitude += magic;
    std::memcpy(&u, &magnitude, 4);
    bits = sign | uint16_t(u - 0x3f000000u);
  } else {
    bits = sign | uint16_t((u - 0x38000000u + 0xfffu + ((u >> 13) & 1)) >> 13);
  }
}

inline half::operator float() const {
  const uint32_t sign = uint32_t(bits & 0x8000u) << 16;
  const uint32_t exponent = (bits >> 10) & 31u;
  uint32_t u = uint32_t(bits & 0x3ffu) << 13;
  if (exponent == 31) {
    u |= 0x7f800000u;
  } else if (exponent) {
    u |= (exponent + 112) << 23;
  } else {  // subnormal: 2^-24 units
    const float value = float(bits & 0x3ffu) * 5.9604644775390625e-8f;
    std::memcpy(&u, &value, 4);
  }
  u |= sign;
  float value;
  std::memcpy(&value, &u, 4);
  return value;
}

template <class T>
struct dtype_of_t;
template <>
struct dtype_of_t<float> {
  static constexpr DType value = DType::f32;
};
template <>
struct dtype_of_t<double> {
  static constexpr DType value = DType::f64;
};
template <>
struct dtype_of_t<half> {
  static constexpr DType value = DType::f16;
};
template <>
struct dtype_of_t<bfloat16> {
  static constexpr DType value = DType::bf16;
};
template <>
struct dtype_of_t<int32_t> {
  static constexpr DType value = DType::i32;
};
template <>
struct dtype_of_t<int64_t> {
  static constexpr DType value = DType::i64;
};
template <>
struct dtype_of_t<uint8_t> {
  static constexpr DType value = DType::u8;
};
template <class T>
inline constexpr DType dtype_of = dtype_of_t<T>::value;

inline const char* name(DType dtype) {
  constexpr const char* kNames[] = {"f32", "f64", "f16", "bf16", "i32", "i64", "u8"};
  return kNames[int(dtype)];
}
inline std::ostream& operator<<(std::ostream& out, DType dtype) { return out << name(dtype); }

// Bytes of one element.
inline int64_t size_of(DType dtype) {
  constexpr int64_t kSizes[] = {4, 8, 2, 2, 4, 8, 1};
  return kSizes[int(dtype)];
}

// f(T{}) with T = float or double, the types that the CPU computes in; DTypeError names `op`.
template <class F>
decltype(auto) for_float(DType dtype, const char* op, F&& f) {
  check<DTypeError>(dtype == DType::f32 || dtype == DType::f64, op, ": ", dtype,
                    " is not computed on the CPU; cast to f32");
  if (dtype == DType::f64) return std::forward<F>(f)(double{});
  return std::forward<F>(f)(float{});
}

// f(T{}) for every type.
template <class F>
decltype(auto) for_any(DType dtype, F&& f) {
  switch (dtype) {
    case DType::f64:
      return std::forward<F>(f)(double{});
    case DType::f16:
      return std::forward<F>(f)(half{});
    case DType::bf16:
      return std::forward<F>(f)(bfloat16{});
    case DType::i32:
      return std::forward<F>(f)(int32_t{});
    case DType::i64:
      return std::forward<F>(f)(int64_t{});
    case DType::u8:
      return std::forward<F>(f)(uint8_t{});
    case DType::f32:
      break;
  }
  return std::forward<F>(f)(float{});
}

}  // namespace munet
