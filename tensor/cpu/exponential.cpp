// Written once on eight-lane vectors (a compiler extension that any target can lower) and compiled
// twice: for every machine, and for AVX2 with FMA.
#include "tensor/cpu/exponential.h"

#include <cmath>
#include <cstring>

namespace munet::cpu {
namespace {

typedef float Lanes __attribute__((vector_size(32)));
typedef int32_t Bits __attribute__((vector_size(32)));
constexpr int64_t kLanes = 8;

// exp by Cephes' expf: 2^n * p(r), r = x - n ln 2 in two steps. Adding 1.5 * 2^23 rounds to the
// nearest integer, which then stands in the low bits.
[[gnu::always_inline]] inline void exp_lanes(Lanes& x) {
  const float magic = 12582912.0f;
  const Lanes shifted = x * 1.44269504088896341f + magic;
  const Lanes n = shifted - magic;
  const Lanes r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  Lanes p = r * 1.9875691500e-4f + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + (r + 1.0f);
  const Bits value = (Bits)p + ((Bits)shifted << 23);
  x = (Lanes)(value & ~(Bits)(x < -87.0f));  // a mask: no argument is too small, NaN stays
}

// One step of up to eight elements, the rest is `missing`.
[[gnu::always_inline]] inline void load(const float* x, int64_t n, float missing, Lanes& lanes) {
  if (n >= kLanes) {
    std::memcpy(&lanes, x, sizeof lanes);
  } else {
    lanes = Lanes{} + missing;
    std::memcpy(&lanes, x, std::size_t(n) * sizeof(float));
  }
}
[[gnu::always_inline]] inline void store(const Lanes& lanes, int64_t n, float* x) {
  std::memcpy(x, &lanes, std::size_t(n < kLanes ? n : kLanes) * sizeof(float));
}
[[gnu::always_inline]] inline float sum(const Lanes& x) {
  return ((x[0] + x[4]) + (x[1] + x[5])) + ((x[2] + x[6]) + (x[3] + x[7]));
}

[[gnu::always_inline]] inline float row(int64_t n, float scale, float origin, float* x) {
  Lanes total = {}, value;
  for (int64_t i = 0; i < n; i += kLanes) {
    load(x + i, n - i, scale < 0 ? INFINITY : -INFINITY, value);
    value = (value - origin) * scale;
    exp_lanes(value);
    store(value, n - i, x + i);
    total += value;
  }
  return sum(total);
}

[[gnu::always_inline]] inline void row(int64_t n, float scale, const float* origin, float* x) {
  Lanes value, from;
  for (int64_t i = 0; i < n; i += kLanes) {
    load(x + i, n - i, scale < 0 ? INFINITY : -INFINITY, value);
    load(origin + i, n - i, 0, from);
    value = (value - from) * scale;
    exp_lanes(value);
    store(value, n - i, x + i);
  }
}

[[gnu::always_inline]] inline Moments<float> moments(int64_t n, float scale, float origin,
                                                     const float* x) {
  Lanes total = {}, first = {}, value, index = {0, 1, 2, 3, 4, 5, 6, 7};
  for (int64_t i = 0; i < n; i += kLanes, index += float(kLanes)) {
    load(x + i, n - i, scale < 0 ? INFINITY : -INFINITY, value);
    value = (value - origin) * scale;
    exp_lanes(value);
    total += value;
    first += value * index;
  }
  return {sum(total), sum(first)};
}

#if defined(__x86_64__)
[[gnu::target("avx2,fma")]] float row_avx2(int64_t n, float scale, float origin, float* x) {
  return row(n, scale, origin, x);
}
[[gnu::target("avx2,fma")]] void row_avx2(int64_t n, float scale, const float* origin, float* x) {
  row(n, scale, origin, x);
}
[[gnu::target("avx2,fma")]] Moments<float> moments_avx2(int64_t n, float scale, float origin,
                                                        const float* x) {
  return moments(n, scale, origin, x);
}
bool has_avx2() {
  static const bool yes = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  return yes;
}
#endif

}  // namespace

float exp_row(int64_t n, float scale, float origin, float* x) {
#if defined(__x86_64__)
  if (has_avx2()) return row_avx2(n, scale, origin, x);
#endif
  return row(n, scale, origin, x);
}

void exp_row(int64_t n, float scale, const float* origin, float* x) {
#if defined(__x86_64__)
  if (has_avx2()) return row_avx2(n, scale, origin, x);
#endif
  row(n, scale, origin, x);
}

Moments<float> exp_moments(int64_t n, float scale, float origin, const float* x) {
#if defined(__x86_64__)
  if (has_avx2()) return moments_avx2(n, scale, origin, x);
#endif
  return moments(n, scale, origin, x);
}

double exp_row(int64_t n, double scale, double origin, double* x) {
  double total = 0;
  for (int64_t i = 0; i < n; ++i) total += x[i] = std::exp(scale * (x[i] - origin));
  return total;
}

void exp_row(int64_t n, double scale, const double* origin, double* x) {
  for (int64_t i = 0; i < n; ++i) x[i] = std::exp(scale * (x[i] - origin[i]));
}

Moments<double> exp_moments(int64_t n, double scale, double origin, const double* x) {
  Moments<double> sums{0, 0};
  for (int64_t i = 0; i < n; ++i) {
    const double value = std::exp(scale * (x[i] - origin));
    sums.total += value;
    sums.first += double(i) * value;
  }
  return sums;
}

}  // namespace munet::cpu
