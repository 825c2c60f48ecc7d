// The transforms of Winograd's convolution on vectors of eight channels, once for every instruction
// set. Read winograd.h first: the matrices B and A are derived there.
#pragma once

#include "tensor/cpu/kernels.h"

namespace munet::cpu {

inline constexpr double kP = 0.70710678118654752440, kQ = 1.41421356237309504880;  // p q = 1

// Set: V, a vector of eight T with + - * and T * V; load, store, zero, relu.
// Wide: V, a vector of `width` doubles with + - and double * V; load and store, from and to T.

// Each line is given for sides 6 and 8. `even` and `odd` are the parts of a polynomial that a and
// -a share, but for the sign.

// out = B^T in.
template <class T, int Side, class V>
inline void winograd_input_line(const V* in, V* out) {
  if constexpr (Side == 6) {
    const T p = T(kP), q = T(kQ);
    const V even_p = in[4] - T(2) * in[2], odd_p = in[3] - T(2) * in[1];
    const V even_q = in[4] - T(0.5) * in[2], odd_q = in[3] - T(0.5) * in[1];
    out[0] = in[0] - T(2.5) * in[2] + in[4];
    out[1] = even_p + p * odd_p;
    out[2] = even_p - p * odd_p;
    out[3] = even_q + q * odd_q;
    out[4] = even_q - q * odd_q;
    out[5] = in[1] - T(2.5) * in[3] + in[5];
  } else {
    const V even_1 = in[2] - T(4.25) * in[4] + in[6], odd_1 = in[1] - T(4.25) * in[3] + in[5];
    const V even_2 = T(0.25) * in[2] - T(1.25) * in[4] + in[6],
            odd_2 = T(0.5) * in[1] - T(2.5) * in[3] + T(2) * in[5];
    const V even_half = T(4) * in[2] - T(5) * in[4] + in[6],
            odd_half = T(2) * in[1] - T(2.5) * in[3] + T(0.5) * in[5];
    out[0] = in[6] - in[0] + T(5.25) * (in[2] - in[4]);
    out[1] = even_1 + odd_1;
    out[2] = even_1 - odd_1;
    out[3] = even_2 + odd_2;
    out[4] = even_2 - odd_2;
    out[5] = even_half + odd_half;
    out[6] = even_half - odd_half;
    out[7] = in[7] - in[1] + T(5.25) * (in[3] - in[5]);
  }
}

// out = A^T in, from Side numbers to Size = Side - 2 or Side - 3.
template <class T, int Side, int Size, class V>
inline void winograd_output_line(const V* in, V* out) {
  if constexpr (Side == 6) {
    const T p = T(kP), q = T(kQ);
    const V sum_p = in[1] + in[2], sum_q = in[3] + in[4];
    const V odd_p = in[1] - in[2], odd_q = in[3] - in[4];
    out[0] = in[0] + sum_p + sum_q;
    out[1] = p * odd_p + q * odd_q;
    out[2] = T(0.5) * sum_p + T(2) * sum_q;
    if constexpr (Size == 3) out[2] = in[5] + out[2];
    if constexpr (Size == 4) out[3] = in[5] + T(0.5 * kP) * odd_p + T(2 * kQ) * odd_q;
  } else {
    const V sum_1 = in[1] + in[2], sum_2 = in[3] + in[4], sum_half = in[5] + in[6];
    const V odd_1 = in[1] - in[2], odd_2 = in[3] - in[4], odd_half = in[5] - in[6];
    out[0] = in[0] + sum_1 + sum_2 + sum_half;
    out[1] = odd_1 + T(2) * odd_2 + T(0.5) * odd_half;
    out[2] = sum_1 + T(4) * sum_2 + T(0.25) * sum_half;
    out[3] = odd_1 + T(8) * odd_2 + T(0.125) * odd_half;
    out[4] = sum_1 + T(16) * sum_2 + T(0.0625) * sum_half;
    if constexpr (Size == 5) out[4] = in[7] + out[4];
    if constexpr (Size == 6) out[5] = in[7] + odd_1 + T(32) * odd_2 + T(0.03125) * odd_half;
  }
}

// out = G in, from Size = 3 or 4 taps to Side numbers: the polynomial `in` at the points. N is the
// type of V's numbers.
template <class N, int Side, int Size, class V>
inline void winograd_kernel_line(const V* in, V* out) {
  // out[at] = factor * in(a), out[at + 1] = factor * in(-a).
  const auto pair = [&](int at, double a, double factor) {
    const V even = in[0] + N(a * a) * in[2];
    V odd = N(a) * in[1];
    if constexpr (Size == 4) odd = odd + N(a * a * a) * in[3];
    out[at] = N(factor) * (even + odd);
    out[at + 1] = N(factor) * (even - odd);
  };
  if constexpr (Side == 6) {
    out[0] = N(1) * in[0];
    pair(1, kP, -1 / 1.5);
    pair(3, kQ, 1 / 6.0);
  } else {
    out[0] = N(-1) * in[0];
    pair(1, 1, -1 / 4.5);
    pair(3, 2, 1 / 90.0);
    pair(5, 0.5, 1 / 1.40625);
  }
  out[Side - 1] = N(1) * in[Size - 1];
}

// A cache line holds 16 channels of a pixel. The transforms take them together and ask for the next
// line of each pixel on the way: the lines lie `channels` apart, too far for the hardware to
// foresee. Without that they would take 2.5 times as long.
inline constexpr int64_t kLine = 16;

// V = B^T d B.
template <class T, int Side, class Set>
inline void winograd_input_patches(const WinogradInput<T>& t) {
  using V = typename Set::V;
  V in[Side], out[Side], half[Side * Side];
  const int64_t channels = t.channels, plane = t.plane;
  for (int64_t line = 0; line < channels; line += kLine)
    for (int64_t r = 0; r < t.patches; ++r) {
      const T* const* pixels = t.pixels[r];
      for (int64_t i = 0; i < Side * Side; ++i) __builtin_prefetch(pixels[i] + line + kLine);
      for (int64_t c = line; c < channels && c < line + kLine; c += kGroup) {
        T* v = t.v + line / kLine * t.line + (c - line) / kGroup * t.half + r * t.row;
#pragma GCC unroll 8
        for (int j = 0; j < Side; ++j) {
#pragma GCC unroll 8
          for (int i = 0; i < Side; ++i) in[i] = Set::load(pixels[Side * i + j] + c);
          winograd_input_line<T, Side>(in, out);
#pragma GCC unroll 8
          for (int i = 0; i < Side; ++i) half[Side * i + j] = out[i];
        }
#pragma GCC unroll 8
        for (int i = 0; i < Side; ++i) {
          winograd_input_line<T, Side>(half + Side * i, out);
#pragma GCC unroll 8
          for (int j = 0; j < Side; ++j) Set::store(v + (Side * i + j) * plane, out[j]);
        }
      }
    }
}

template <class T, class Set>
inline void winograd_input(const WinogradInput<T>& t) {
  t.side == 6 ? winograd_input_patches<T, 6, Set>(t) : winograd_input_patches<T, 8, Set>(t);
}

// y = act(A^T m A + bias + add): the first `rows` x `columns` pixels, eight channels.
template <class T, int Side, int Size, class Set>
inline void winograd_patch(const T* m, int64_t plane, const T* bias, const T* add, bool relu,
                           int64_t rows, int64_t columns, T* y, int64_t row, int64_t column) {
  using V = typename Set::V;
  V in[Side], out[Size], half[Side * Size];
#pragma GCC unroll 8
  for (int j = 0; j < Side; ++j) {
#pragma GCC unroll 8
    for (int i = 0; i < Side; ++i) in[i] = Set::load(m + (Side * i + j) * plane);
    winograd_output_line<T, Side, Size>(in, out);
#pragma GCC unroll 6
    for (int i = 0; i < Size; ++i) half[Side * i + j] = out[i];
  }
  const V shift = bias ? Set::load(bias) : Set::zero();
#pragma GCC unroll 6
  for (int64_t i = 0; i < rows; ++i) {
    winograd_output_line<T, Side, Size>(half + Side * i, out);
#pragma GCC unroll 6
    for (int64_t j = 0; j < columns; ++j) {
      const int64_t at = i * row + j * column;
      V value = out[j] + shift;
      if (add) value = value + Set::load(add + at);
      if (relu) value = Set::relu(value);
      Set::store(y + at, value);
    }
  }
}

template <class T, int Side, int Size, class Set>
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
          winograd_patch<T, Side, Size, Set>(m, t.plane, t.bias ? t.bias + o : nullptr,
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
  if (t.side == 6)
    t.size == 4 ? winograd_output_patches<T, 6, 4, Set>(t)
                : winograd_output_patches<T, 6, 3, Set>(t);
  else
    t.size == 6 ? winograd_output_patches<T, 8, 6, Set>(t)
                : winograd_output_patches<T, 8, 5, Set>(t);
}

// u = G g G^T.
template <class T, int Side, int Size, class Set>
inline void winograd_kernels(const WinogradKernel<T>& t) {
  using V = typename Set::V;
  V in[Size], out[Side], half[Side * Size];
  for (int64_t k = 0; k < t.count; k += Set::width) {
#pragma GCC unroll 4
    for (int j = 0; j < Size; ++j) {
#pragma GCC unroll 4
      for (int i = 0; i < Size; ++i) in[i] = Set::load(t.taps[i * Size + j] + k);
      winograd_kernel_line<typename Set::Number, Side, Size>(in, out);
#pragma GCC unroll 8
      for (int i = 0; i < Side; ++i) half[i * Size + j] = out[i];
    }
#pragma GCC unroll 8
    for (int i = 0; i < Side; ++i) {
      winograd_kernel_line<typename Set::Number, Side, Size>(half + i * Size, out);
#pragma GCC unroll 8
      for (int j = 0; j < Side; ++j) Set::store(t.u + (Side * i + j) * t.plane + k, out[j]);
    }
  }
}

// Weights for patches of 8 are transformed once and used for every frame; those for patches of 6
// are transformed anew in each call, where doubles would take a twentieth of a training step.
template <class T, class Set, class Wide>
inline void winograd_kernel(const WinogradKernel<T>& t) {
  if (t.side == 6)
    t.size == 3 ? winograd_kernels<T, 6, 3, Set>(t) : winograd_kernels<T, 6, 4, Set>(t);
  else
    t.size == 3 ? winograd_kernels<T, 8, 3, Wide>(t) : winograd_kernels<T, 8, 4, Wide>(t);
}

}  // namespace munet::cpu
