// Written once on eight-lane vectors (a compiler extension that any target can lower) and compiled
// twice: for every machine, and for AVX2 with FMA.
#include "tensor/cpu/rows.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace munet::cpu {
namespace {

typedef float Lanes __attribute__((vector_size(32)));
typedef uint32_t Bits __attribute__((vector_size(32)));
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

// Eight numbers, of which those from n on are replaced by `missing`.
[[gnu::always_inline]] inline void load(const float* x, int64_t n, float missing, Lanes& lanes) {
  std::memcpy(&lanes, x, sizeof lanes);
  if (n >= kLanes) return;
  const Bits index = {0, 1, 2, 3, 4, 5, 6, 7};
  lanes = index < uint32_t(n) ? lanes : Lanes{} + missing;
}

[[gnu::always_inline]] inline float sum(const Lanes& x) {
  return ((x[0] + x[4]) + (x[1] + x[5])) + ((x[2] + x[6]) + (x[3] + x[7]));
}

// The argument that vanishes for either sign of `scale`.
[[gnu::always_inline]] inline float nothing(float scale) {
  return scale < 0 ? INFINITY : -INFINITY;
}

[[gnu::always_inline]] inline Range<float> range(int64_t n, const float* x) {
  Lanes low = Lanes{} + x[0], high = low, value;
  for (int64_t i = 0; i < n; i += kLanes) {
    load(x + i, n - i, x[0], value);
    low = value < low ? value : low;
    high = value > high ? value : high;
  }
  Range<float> r{low[0], high[0]};
  for (int i = 1; i < kLanes; ++i) {
    r.low = std::min(r.low, low[i]);
    r.high = std::max(r.high, high[i]);
  }
  return r;
}

[[gnu::always_inline]] inline float exponentials(int64_t n, float scale, float origin,
                                                 const float* x, float* y, int64_t stride) {
  Lanes total = {}, value;
  for (int64_t i = 0; i < n; i += kLanes, y += stride) {
    load(x + i, n - i, nothing(scale), value);
    value = (value - origin) * scale;
    exp_lanes(value);
    std::memcpy(y, &value, sizeof value);
    total += value;
  }
  return sum(total);
}

[[gnu::always_inline]] inline Moments<float> moments(int64_t n, float scale, float origin,
                                                     const float* x) {
  Lanes total = {}, first = {}, value, index = {0, 1, 2, 3, 4, 5, 6, 7};
  for (int64_t i = 0; i < n; i += kLanes, index += float(kLanes)) {
    load(x + i, n - i, nothing(scale), value);
    value = (value - origin) * scale;
    exp_lanes(value);
    total += value;
    first += value * index;
  }
  return {sum(total), sum(first)};
}

constexpr RowKernels kGeneric = {
    [](int64_t n, const float* x) { return range(n, x); },
    [](int64_t n, float scale, float origin, const float* x, float* y, int64_t stride) {
      return exponentials(n, scale, origin, x, y, stride);
    },
    [](int64_t n, float scale, float origin, const float* x) {
      return moments(n, scale, origin, x);
    }};

#if defined(__x86_64__)
[[gnu::target("avx2,fma")]] Range<float> range_avx2(int64_t n, const float* x) {
  return range(n, x);
}
[[gnu::target("avx2,fma")]] float exponentials_avx2(int64_t n, float scale, float origin,
                                                    const float* x, float* y, int64_t stride) {
  return exponentials(n, scale, origin, x, y, stride);
}
[[gnu::target("avx2,fma")]] Moments<float> moments_avx2(int64_t n, float scale, float origin,
                                                        const float* x) {
  return moments(n, scale, origin, x);
}
constexpr RowKernels kAvx2 = {range_avx2, exponentials_avx2, moments_avx2};
#endif

const RowKernels& rows() {
  static const RowKernels& chosen = avx2_rows() ? *avx2_rows() : kGeneric;
  return chosen;
}

}  // namespace

const RowKernels& generic_rows() { return kGeneric; }
const RowKernels* avx2_rows() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return &kAvx2;
#endif
  return nullptr;
}

Range<float> row_range(int64_t n, const float* x) { return rows().range(n, x); }

float exp_row(int64_t n, float scale, float origin, const float* x, float* y, int64_t stride) {
  return rows().exponentials(n, scale, origin, x, y, stride);
}

Moments<float> exp_moments(int64_t n, float scale, float origin, const float* x) {
  return rows().moments(n, scale, origin, x);
}

Range<double> row_range(int64_t n, const double* x) {
  const auto [low, high] = std::minmax_element(x, x + n);
  return {*low, *high};
}

double exp_row(int64_t n, double scale, double origin, const double* x, double* y, int64_t stride) {
  double total = 0;
  for (int64_t i = 0; i < n; i += kLanes, y += stride)
    for (int64_t j = 0; j < kLanes; ++j)
      total += y[j] = i + j < n ? std::exp(scale * (x[i + j] - origin)) : 0;
  return total;
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
