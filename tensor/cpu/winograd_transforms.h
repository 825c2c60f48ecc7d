// The transforms of Winograd's convolution on vectors of eight channels, once for every instruction
// set. Read winograd.h first: the matrices B and A are derived there.
#pragma once

#include "tensor/cpu/kernels.h"

namespace munet::cpu {

inline constexpr double kP = 0.70710678118654752440, kQ = 1.41421356237309504880;  // p q = 1

// Set: V, a vector of eight T with + - * and T * V; load, store, zero, relu.
// Wide: V, a vector of `width` doubles with + - and double * V; load and store, from and to T.

// out = B^T in.
template <class T, class V>
inline void winograd_input_line(const V* in, V* out) {
  const T p = T(kP), q = T(kQ);
  const V even_p = in[4] - T(2) * in[2], odd_p = in[3] - T(2) * in[1];
  const V even_q = in[4] - T(0.5) * in[2], odd_q = in[3] - T(0.5) * in[1];
  out[0] = in[0] - T(2.5) * in[2] + in[4];
  out[1] = even_p + p * odd_p;
  out[2] = even_p - p * odd_p;
  out[3] = even_q + q * odd_q;
  out[4] = even_q - q * odd_q;
  out[5] = in[1] - T(2.5) * in[3] + in[5];
}

// out = A^T in, from six numbers to Size = 4 or 3.
template <class T, int Size, class V>
inline void winograd_output_line(const V* in, V* out) {
  const T p = T(kP), q = T(kQ);
  const V sum_p = in[1] + in[2], sum_q = in[3] + in[4];
  const V odd_p = in[1] - in[2], odd_q = in[3] - in[4];
  out[0] = in[0] + sum_p + sum_q;
  out[1] = p * odd_p + q * odd_q;
  out[2] = T(0.5) * sum_p + T(2) * sum_q;
  if constexpr (Size == 3) out[2] = in[5] + out[2];
  if constexpr (Size == 4) out[3] = in[5] + T(0.5 * kP) * odd_p + T(2 * kQ) * odd_q;
}

// out = G in, from Size = 3 or 4 taps to six numbers: the polynomial `in` at the points.
template <int Size, class V>
inline void winograd_kernel_line(const V* in, V* out) {
  V even_p = in[0] + 0.5 * in[2], odd_p = kP * in[1];
  V even_q = in[0] + 2.0 * in[2], odd_q = kQ * in[1];
  if constexpr (Size == 4) {
    odd_p = odd_p + (0.5 * kP) * in[3];
    odd_q = odd_q + (2 * kQ) * in[3];
  }
  out[0] = in[0];
  out[1] = (-1 / 1.5) * (even_p + odd_p);
  out[2] = (-1 / 1.5) * (even_p - odd_p);
  out[3] = (1 / 6.0) * (even_q + odd_q);
  out[4] = (1 / 6.0) * (even_q - odd_q);
  out[5] = in[Size - 1];
}

// A cache line holds 16 channels of a pixel. The transforms take them together and ask for the next
// line of each pixel on the way: the lines lie `channels` apart, too far for the hardware to
// foresee. Without that they would take 2.5 times as long.
inline constexpr int64_t kLine = 16;

// V = B^T d B.
template <class T, class Set>
inline void winograd_input(const WinogradInput<T>& t) {
  using V = typename Set::V;
  V in[6], out[6], half[36];
  const int64_t channels = t.channels, plane = t.plane;
  for (int64_t line = 0; line < channels; line += kLine)
    for (int64_t r = 0; r < t.patches; ++r) {
      const T* const* pixels = t.pixels[r];
      for (int64_t i = 0; i < 36; ++i) __builtin_prefetch(pixels[i] + line + kLine);
      for (int64_t c = line; c < channels && c < line + kLine; c += kGroup) {
        T* v = t.v + line / kLine * t.line + (c - line) / kGroup * t.half + r * t.row;
#pragma GCC unroll 6
        for (int j = 0; j < 6; ++j) {
#pragma GCC unroll 6
          for (int i = 0; i < 6; ++i) in[i] = Set::load(pixels[6 * i + j] + c);
          winograd_input_line<T>(in, out);
#pragma GCC unroll 6
          for (int i = 0; i < 6; ++i) half[6 * i + j] = out[i];
        }
#pragma GCC unroll 6
        for (int i = 0; i < 6; ++i) {
          winograd_input_line<T>(half + 6 * i, out);
#pragma GCC unroll 6
          for (int j = 0; j < 6; ++j) Set::store(v + (6 * i + j) * plane, out[j]);
        }
      }
    }
}

// y = act(A^T m A + bias + add): the first `rows` x `columns` pixels, eight channels.
template <class T, int Size, class Set>
inline void winograd_patch(const T* m, int64_t plane, const T* bias, const T* add, bool relu,
                           int64_t rows, int64_t columns, T* y, int64_t row, int64_t column) {
  using V = typename Set::V;
  V in[6], out[Size], half[6 * Size];
#pragma GCC unroll 6
  for (int j = 0; j < 6; ++j) {
#pragma GCC unroll 6
    for (int i = 0; i < 6; ++i) in[i] = Set::load(m + (6 * i + j) * plane);
    winograd_output_line<T, Size>(in, out);
#pragma GCC unroll 4
    for (int i = 0; i < Size; ++i) half[6 * i + j] = out[i];
  }
  const V shift = bias ? Set::load(bias) : Set::zero();
#pragma GCC unroll 4
  for (int64_t i = 0; i < rows; ++i) {
    winograd_output_line<T, Size>(half + 6 * i, out);
#pragma GCC unroll 4
    for (int64_t j = 0; j < columns; ++j) {
      const int64_t at = i * row + j * column;
      V value = out[j] + shift;
      if (add) value = value + Set::load(add + at);
      if (relu) value = Set::relu(value);
      Set::store(y + at, value);
    }
  }
}

template <class T, int Size, class Set>
inline void winograd_output_patches(const WinogradOutput<T>& t) {
  for (int64_t line = 0; line < t.channels; line += kLine)
    for (int64_t r = 0; r < t.patches; ++r) {
      const auto [y, add, rows, columns] = t.to[r];
      for (int64_t i = 0; i < rows; ++i)
        for (int64_t j = 0; j < columns; ++j) {
          const int64_t next = i * t.row_stride + j * t.channels + line + kLine;
          __builtin_prefetch(y + next, 1);
          if (add) __builtin_prefetch(add + next);
        }
      for (int64_t o = line; o < line + kLine; o += kGroup) {
        const T* m = t.m + line / kLine * t.line + r * t.row + o - line;
        const auto patch = [&](int64_t rows, int64_t columns) {
          winograd_patch<T, Size, Set>(m, t.plane, t.bias ? t.bias + o : nullptr,
                                       add ? add + o : nullptr, t.relu, rows, columns, y + o,
                                       t.row_stride, t.channels);
        };
        // Known at compile time, the usual size needs no loops.
        rows == Size&& columns == Size ? patch(Size, Size) : patch(rows, columns);
      }
    }
}

template <class T, class Set>
inline void winograd_output(const WinogradOutput<T>& t) {
  t.size == 4 ? winograd_output_patches<T, 4, Set>(t) : winograd_output_patches<T, 3, Set>(t);
}

// u = G g G^T.
template <class T, int Size, class Wide>
inline void winograd_kernels(const WinogradKernel<T>& t) {
  using V = typename Wide::V;
  V in[Size], out[6], half[6 * Size];
  for (int64_t k = 0; k < t.count; k += Wide::width) {
#pragma GCC unroll 4
    for (int j = 0; j < Size; ++j) {
#pragma GCC unroll 4
      for (int i = 0; i < Size; ++i) in[i] = Wide::load(t.taps[i * Size + j] + k);
      winograd_kernel_line<Size>(in, out);
#pragma GCC unroll 6
      for (int i = 0; i < 6; ++i) half[i * Size + j] = out[i];
    }
#pragma GCC unroll 6
    for (int i = 0; i < 6; ++i) {
      winograd_kernel_line<Size>(half + i * Size, out);
#pragma GCC unroll 6
      for (int j = 0; j < 6; ++j) Wide::store(t.u + (6 * i + j) * t.plane + k, out[j]);
    }
  }
}

template <class T, class Wide>
inline void winograd_kernel(const WinogradKernel<T>& t) {
  t.size == 3 ? winograd_kernels<T, 3, Wide>(t) : winograd_kernels<T, 4, Wide>(t);
}

}  // namespace munet::cpu
