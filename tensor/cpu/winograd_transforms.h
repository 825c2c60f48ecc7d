// The transforms of Winograd's convolution on vectors of eight channels, once for every instruction
// set. Read winograd.h first: the matrices B and A are derived there.
#pragma once

#include "tensor/cpu/kernels.h"

namespace munet::cpu {

inline constexpr double kP = 0.70710678118654752440, kQ = 1.41421356237309504880;  // p q = 1

// Set: V, a vector of eight T with + - * and T * V; load, store, relu.

// out = B^T in, six numbers at distance Step each.
template <class T, int Step, class V>
inline void winograd_input_line(const V* in, V* out) {
  const T p = T(kP), q = T(kQ);
  const V even_p = in[4 * Step] - T(2) * in[2 * Step], odd_p = in[3 * Step] - T(2) * in[Step];
  const V even_q = in[4 * Step] - T(0.5) * in[2 * Step], odd_q = in[3 * Step] - T(0.5) * in[Step];
  out[0] = in[0] - T(2.5) * in[2 * Step] + in[4 * Step];
  out[Step] = even_p + p * odd_p;
  out[2 * Step] = even_p - p * odd_p;
  out[3 * Step] = even_q + q * odd_q;
  out[4 * Step] = even_q - q * odd_q;
  out[5 * Step] = in[Step] - T(2.5) * in[3 * Step] + in[5 * Step];
}

// out = A^T in, from six numbers to four, at distance Step each.
template <class T, int Step, class V>
inline void winograd_output_line(const V* in, V* out) {
  const T p = T(kP), q = T(kQ);
  const V sum_p = in[Step] + in[2 * Step], sum_q = in[3 * Step] + in[4 * Step];
  const V odd_p = in[Step] - in[2 * Step], odd_q = in[3 * Step] - in[4 * Step];
  out[0] = in[0] + sum_p + sum_q;
  out[Step] = p * odd_p + q * odd_q;
  out[2 * Step] = T(0.5) * sum_p + T(2) * sum_q;
  out[3 * Step] = in[5 * Step] + T(0.5 * kP) * odd_p + T(2 * kQ) * odd_q;
}

// V = B^T d B of one patch.
template <class T, class Set>
inline void winograd_input(const WinogradInput<T>& t) {
  using V = typename Set::V;
  V d[36], columns[36], v[36];
  for (int64_t c = 0; c < t.channels; c += kGroup) {
    for (int i = 0; i < 36; ++i) d[i] = Set::load(t.pixels[i] + c);
#pragma GCC unroll 6
    for (int j = 0; j < 6; ++j) winograd_input_line<T, 6>(d + j, columns + j);
#pragma GCC unroll 6
    for (int i = 0; i < 6; ++i) winograd_input_line<T, 1>(columns + 6 * i, v + 6 * i);
    for (int i = 0; i < 36; ++i) Set::store(t.v + i * t.plane + c * kTileRows, v[i]);
  }
}

// y = act(A^T m A + bias + add) of one patch.
template <class T, class Set>
inline void winograd_output(const WinogradOutput<T>& t) {
  using V = typename Set::V;
  V m[36], columns[24], y[16];
  for (int64_t o = 0; o < t.channels; o += kGroup) {
    const T* from = t.m + o / kTileColumns * kTileRows * kTileColumns + o % kTileColumns;
    for (int i = 0; i < 36; ++i) m[i] = Set::load(from + i * t.plane);
#pragma GCC unroll 6
    for (int j = 0; j < 6; ++j) winograd_output_line<T, 6>(m + j, columns + j);
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) winograd_output_line<T, 1>(columns + 6 * i, y + 4 * i);
    for (int64_t i = 0; i < t.rows; ++i)
      for (int64_t j = 0; j < t.columns; ++j) {
        const int64_t at = i * t.row_stride + j * t.channels + o;
        V value = y[4 * i + j];
        if (t.bias) value = value + Set::load(t.bias + o);
        if (t.add) value = value + Set::load(t.add + at);
        if (t.relu) value = Set::relu(value);
        Set::store(t.y + at, value);
      }
  }
}

}  // namespace munet::cpu
