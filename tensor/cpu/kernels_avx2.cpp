// The micro-kernels for AVX2 and FMA. Only this file is compiled for them, so the program runs on
// any x86-64; it includes no inline code of others, which could be linked in elsewhere.
#include "tensor/cpu/winograd_transforms.h"

#if defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>

namespace munet::cpu {
namespace {

// Assembly, because compilers fold the two loads of b into all twelve products: 18 loads per k
// instead of 8, and the loads become the limit (60 % of the peak instead of 97 %).
// Per k: two vectors of b, six numbers of a spread over a vector each, twelve multiply-adds.
void tile(const Tile<float>& t) {
  const float *a = t.a, *a3 = t.a + 3 * t.a_row, *b = t.b, *ahead = t.ahead;
  const int64_t row = t.a_row * int64_t(sizeof *a), group = t.a_group * int64_t(sizeof *a);
  int64_t groups = t.depth / kGroup;
  __m256 c00, c01, c10, c11, c20, c21, c30, c31, c40, c41, c50, c51, b0, b1, a0, a1;
  asm volatile(
      R"(
    vxorps %[c00], %[c00], %[c00]
    vxorps %[c01], %[c01], %[c01]
    vxorps %[c10], %[c10], %[c10]
    vxorps %[c11], %[c11], %[c11]
    vxorps %[c20], %[c20], %[c20]
    vxorps %[c21], %[c21], %[c21]
    vxorps %[c30], %[c30], %[c30]
    vxorps %[c31], %[c31], %[c31]
    vxorps %[c40], %[c40], %[c40]
    vxorps %[c41], %[c41], %[c41]
    vxorps %[c50], %[c50], %[c50]
    vxorps %[c51], %[c51], %[c51]
    .p2align 5
  1:
    prefetcht0 (%[ahead])
    prefetcht0 64(%[ahead])
    .irp k, 0,1,2,3,4,5,6,7
      vmovaps 64*\k(%[b]), %[b0]
      vmovaps 64*\k+32(%[b]), %[b1]
      vbroadcastss 4*\k(%[a]), %[a0]
      vfmadd231ps %[b0], %[a0], %[c00]
      vfmadd231ps %[b1], %[a0], %[c01]
      vbroadcastss 4*\k(%[a],%[row]), %[a1]
      vfmadd231ps %[b0], %[a1], %[c10]
      vfmadd231ps %[b1], %[a1], %[c11]
      vbroadcastss 4*\k(%[a],%[row],2), %[a0]
      vfmadd231ps %[b0], %[a0], %[c20]
      vfmadd231ps %[b1], %[a0], %[c21]
      vbroadcastss 4*\k(%[a3]), %[a1]
      vfmadd231ps %[b0], %[a1], %[c30]
      vfmadd231ps %[b1], %[a1], %[c31]
      vbroadcastss 4*\k(%[a3],%[row]), %[a0]
      vfmadd231ps %[b0], %[a0], %[c40]
      vfmadd231ps %[b1], %[a0], %[c41]
      vbroadcastss 4*\k(%[a3],%[row],2), %[a1]
      vfmadd231ps %[b0], %[a1], %[c50]
      vfmadd231ps %[b1], %[a1], %[c51]
    .endr
    add %[group], %[a]
    add %[group], %[a3]
    add $512, %[b]
    add $128, %[ahead]
    dec %[groups]
    jnz 1b
  )"
      : [a] "+r"(a), [a3] "+r"(a3), [b] "+r"(b), [ahead] "+r"(ahead), [groups] "+r"(groups),
        [c00] "=&x"(c00), [c01] "=&x"(c01), [c10] "=&x"(c10), [c11] "=&x"(c11), [c20] "=&x"(c20),
        [c21] "=&x"(c21), [c30] "=&x"(c30), [c31] "=&x"(c31), [c40] "=&x"(c40), [c41] "=&x"(c41),
        [c50] "=&x"(c50), [c51] "=&x"(c51), [b0] "=&x"(b0), [b1] "=&x"(b1), [a0] "=&x"(a0),
        [a1] "=&x"(a1)
      : [row] "r"(row), [group] "r"(group)
      : "memory", "cc");
  __m256 c[kTileRows][2] = {{c00, c01}, {c10, c11}, {c20, c21}, {c30, c31}, {c40, c41}, {c50, c51}};
  if (t.accumulate) {
#pragma GCC unroll 6
    for (int i = 0; i < kTileRows; ++i) {
      c[i][0] = _mm256_add_ps(c[i][0], _mm256_loadu_ps(t.c + i * t.stride));
      c[i][1] = _mm256_add_ps(c[i][1], _mm256_loadu_ps(t.c + i * t.stride + 8));
    }
  }
  if (t.bias) {
    const __m256 bias0 = _mm256_loadu_ps(t.bias), bias1 = _mm256_loadu_ps(t.bias + 8);
#pragma GCC unroll 6
    for (int i = 0; i < kTileRows; ++i) {
      c[i][0] = _mm256_add_ps(c[i][0], bias0);
      c[i][1] = _mm256_add_ps(c[i][1], bias1);
    }
  }
  if (t.add) {
#pragma GCC unroll 6
    for (int i = 0; i < kTileRows; ++i) {
      c[i][0] = _mm256_add_ps(c[i][0], _mm256_loadu_ps(t.add + i * t.add_stride));
      c[i][1] = _mm256_add_ps(c[i][1], _mm256_loadu_ps(t.add + i * t.add_stride + 8));
    }
  }
  if (t.relu) {
    const __m256 zero = _mm256_setzero_ps();  // first: max returns its second operand for a NaN
#pragma GCC unroll 6
    for (int i = 0; i < kTileRows; ++i) {
      c[i][0] = _mm256_max_ps(zero, c[i][0]);
      c[i][1] = _mm256_max_ps(zero, c[i][1]);
    }
  }
#pragma GCC unroll 6
  for (int i = 0; i < kTileRows; ++i) {
    _mm256_storeu_ps(t.c + i * t.stride, c[i][0]);
    _mm256_storeu_ps(t.c + i * t.stride + 8, c[i][1]);
  }
}

struct Vectors {
  using Number = float;
  static constexpr int64_t width = kGroup;
  using V = __m256;
  static V load(const float* from) { return _mm256_loadu_ps(from); }
  static void store(float* to, V v) { _mm256_storeu_ps(to, v); }
  static V zero() { return _mm256_setzero_ps(); }
  static V relu(V v) { return _mm256_max_ps(_mm256_setzero_ps(), v); }
};

struct WideVectors {
  using Number = double;
  static constexpr int64_t width = 4;
  using V = __m256d;
  static V load(const float* from) { return _mm256_cvtps_pd(_mm_loadu_ps(from)); }
  static void store(float* to, V v) { _mm_storeu_ps(to, _mm256_cvtpd_ps(v)); }
};

// Columns 0..3 of all eight rows, then columns 4..7: four rows of each half in one vector.
void transpose(const float* from, int64_t stride, float* const* to) {
#pragma GCC unroll 2
  for (int64_t j = 0; j < 8; j += 4) {
    __m256 row[4], pair[4];
#pragma GCC unroll 4
    for (int64_t i = 0; i < 4; ++i)
      row[i] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(from + i * stride + j)),
                                    _mm_loadu_ps(from + (i + 4) * stride + j), 1);
    pair[0] = _mm256_unpacklo_ps(row[0], row[1]);
    pair[1] = _mm256_unpackhi_ps(row[0], row[1]);
    pair[2] = _mm256_unpacklo_ps(row[2], row[3]);
    pair[3] = _mm256_unpackhi_ps(row[2], row[3]);
    _mm256_storeu_ps(to[j + 0], _mm256_shuffle_ps(pair[0], pair[2], 0x44));
    _mm256_storeu_ps(to[j + 1], _mm256_shuffle_ps(pair[0], pair[2], 0xEE));
    _mm256_storeu_ps(to[j + 2], _mm256_shuffle_ps(pair[1], pair[3], 0x44));
    _mm256_storeu_ps(to[j + 3], _mm256_shuffle_ps(pair[1], pair[3], 0xEE));
  }
}

constexpr Kernels<float> kTable = {.name = "avx2",
                                   .tile = tile,
                                   .winograd_input = winograd_input<float, Vectors>,
                                   .winograd_output = winograd_output<float, Vectors>,
                                   .winograd_kernel = winograd_kernel<float, Vectors, WideVectors>,
                                   .transpose = transpose};

}  // namespace

const Kernels<float>* avx2_kernels() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &kTable : nullptr;
}

}  // namespace munet::cpu

#else

const munet::cpu::Kernels<float>* munet::cpu::avx2_kernels() { return nullptr; }

#endif
