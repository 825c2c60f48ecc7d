// The transforms of Winograd's convolution on vectors of eight channels, once for every instruction
// set. Read winograd.h first: the matrices B and A are derived there.
#pragma once

#include "tensor/cpu/kernels.h"

namespace munet::cpu {

inline constexpr double kP = 0.70710678118654752440, kQ = 1.41421356237309504880;  // p q = 1

// Set: V, a vector of eight T with + - * and T * V; load, store, relu.

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

// out = A^T in, from six numbers to four.
template <class T, class V>
inline void winograd_output_line(const V* in, V* out) {
  const T p = T(kP), q = T(kQ);
  const V sum_p = in[1] + in[2], sum_q = in[3] + in[4];
  const V odd_p = in[1] - in[2], odd_q = in[3] - in[4];
  out[0] = in[0] + sum_p + sum_q;
  out[1] = p * odd_p + q * odd_q;
  out[2] = T(0.5) * sum_p + T(2) * sum_q;
  out[3] = in[5] + T(0.5 * kP) * odd_p + T(2 * kQ) * odd_q;
}

// V = B^T d B.
template <class T, class Set>
inline void winograd_input(const WinogradInput<T>& t) {
  using V = typename Set::V;
  V in[6], out[6], half[36];
  for (int64_t c = 0; c < t.channels; c += kGroup)
    for (int64_t r = 0; r < t.patches; ++r) {
      const T* const* pixels = t.pixels[r];
      T* v = t.v + c * kTileRows + r * kGroup;
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
        for (int j = 0; j < 6; ++j) Set::store(v + (6 * i + j) * t.plane, out[j]);
      }
    }
}

// y = act(A^T m A + bias + add).
template <class T, class Set>
inline void winograd_output(const WinogradOutput<T>& t) {
  using V = typename Set::V;
  V in[6], out[4], half[24];
  for (int64_t o = 0; o < t.channels; o += kTileColumns)
    for (int64_t r = 0; r < t.patches; ++r)
      for (int64_t g = o; g < o + kTileColumns; g += kGroup) {
        const typename WinogradOutput<T>::Patch& to = t.to[r];
        const T* m = t.m + o * kTileRows + r * kTileColumns + g - o;
#pragma GCC unroll 6
        for (int j = 0; j < 6; ++j) {
#pragma GCC unroll 6
          for (int i = 0; i < 6; ++i) in[i] = Set::load(m + (6 * i + j) * t.plane);
          winograd_output_line<T>(in, out);
#pragma GCC unroll 4
          for (int i = 0; i < 4; ++i) half[6 * i + j] = out[i];
        }
        for (int64_t i = 0; i < to.rows; ++i) {
          winograd_output_line<T>(half + 6 * i, out);
          for (int64_t j = 0; j < to.columns; ++j) {
            const int64_t at = i * t.row_stride + j * t.channels + g;
            V value = out[j];
            if (t.bias) value = value + Set::load(t.bias + g);
            if (to.add) value = value + Set::load(to.add + at);
            if (t.relu) value = Set::relu(value);
            Set::store(to.y + at, value);
          }
        }
      }
}

}  // namespace munet::cpu
