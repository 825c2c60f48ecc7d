// The memory read between its two matrix products: rows of similarities become rows of softmax
// weights, with an exact selection of the k largest, and back.
#pragma once

#include <cmath>
#include <cstring>

#include "ops_cuda/run.h"

namespace munet::cuda {

// Rows of products of queries with the memory of one object, `stride` numbers apart; only the first
// `positions` take part, the rest of a row of weights becomes 0.
struct ReadRows {
  int64_t positions, stride;
  double scale;                   // 1 / sqrt(dk)
  int64_t top_k;                  // 0: all
  const int32_t* used = nullptr;  // where `positions` is found instead, if not null
};

// A float's bits as a number that sorts like the float.
HOST_DEVICE inline uint32_t sortable(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}
HOST_DEVICE inline uint64_t sortable(double x) {
  uint64_t bits;
  memcpy(&bits, &x, 8);
  return bits >> 63 ? ~bits : bits | (uint64_t(1) << 63);
}

template <class Sum>
struct ReadTile {
  static constexpr int kThreads = 256, kDigits = 16;
  using Key = decltype(sortable(Sum()));
  Sum value[kThreads];
  uint16_t count[kDigits][kThreads];  // up to 65535 positions of a thread
  int64_t total[kDigits];
  Key prefix;      // the leading digits of the k-th largest
  int64_t wanted;  // which of those with this prefix it is, from 1
};
template <class Sum>
struct ReadLocal {
  Sum value;
};

// shared.value[0] = all threads' values combined, in an order that does not vary.
template <class Sum, class Block, class Combine>
HOST_DEVICE void reduce_block(Block& block, ReadTile<Sum>& shared, Combine combine) {
  using Local = ReadLocal<Sum>;
  block.each([&](int t, Local& my) { shared.value[t] = my.value; });
  for (int half = ReadTile<Sum>::kThreads / 2; half > 0; half /= 2)
    block.each([&](int t, Local&) {
      if (t < half) shared.value[t] = combine(shared.value[t], shared.value[t + half]);
    });
}

// shared.prefix = the key of the k-th largest of a row: its digits of four bits, from the highest,
// by counting. No atomics: each thread has counters of its own.
template <class Sum, class Block>
HOST_DEVICE void select_key(Block& block, ReadTile<Sum>& shared, const ReadRows& r,
                            const Sum* row) {
  using Tile = ReadTile<Sum>;
  using Local = ReadLocal<Sum>;
  using Key = typename Tile::Key;
  constexpr int kFirst = int(sizeof(Key)) * 8 - 4;
  block.each([&](int t, Local&) {
    if (t == 0) shared.prefix = 0, shared.wanted = r.top_k;
  });
  for (int shift = kFirst; shift >= 0; shift -= 4) {
    block.each([&](int t, Local&) {
      for (int d = 0; d < Tile::kDigits; ++d) shared.count[d][t] = 0;
      for (int64_t i = t; i < r.positions; i += Tile::kThreads) {
        const Key key = sortable(row[i]);
        if (shift == kFirst || (key ^ shared.prefix) >> (shift + 4) == 0)
          ++shared.count[(key >> shift) & 15][t];
      }
    });
    block.each([&](int t, Local&) {
      if (t >= Tile::kDigits) return;
      int64_t total = 0;
      for (int i = 0; i < Tile::kThreads; ++i)  // from another bank each
        total += shared.count[t][(i + t * 2) % Tile::kThreads];
      shared.total[t] = total;
    });
    block.each([&](int t, Local&) {
      if (t != 0) return;
      int digit = Tile::kDigits - 1;
      for (; digit > 0 && shared.total[digit] < shared.wanted; --digit)
        shared.wanted -= shared.total[digit];
      shared.prefix |= Key(digit) << shift;
    });
  }
}

// Block i: row i of weights = softmax(scale * product) over the products at or above the k-th
// largest; `weight` may be `product`. state: null, or three planes: the largest product, 1 /
// denominator, and the smallest product that takes part (-infinity: all).
template <class T>
struct SoftmaxRows {
  using Sum = Compute<T>;
  static constexpr int kThreads = ReadTile<Sum>::kThreads;
  using Shared = ReadTile<Sum>;
  using Local = ReadLocal<Sum>;
  ReadRows rows;
  const Sum* product;
  T* weight;
  Sum* state;
  int64_t states;  // from plane to plane

  template <class Block>
  HOST_DEVICE void operator()(Block& block, uint32_t index, Shared& shared) const {
    ReadRows r = rows;
    if (r.used) r.positions = *r.used;
    const Sum scale = Sum(r.scale), *const row = product + index * r.stride;
    T* const to = weight + index * r.stride;
    const bool select = r.top_k > 0 && r.top_k < r.positions;
    if (select) select_key(block, shared, r, row);
    const auto threshold = select ? shared.prefix : 0;
    block.each([&](int t, Local& my) {
      my.value = -INFINITY;
      for (int64_t i = t; i < r.positions; i += kThreads)
        my.value = row[i] > my.value ? row[i] : my.value;
    });
    reduce_block(block, shared, [](Sum a, Sum b) { return a > b ? a : b; });
    const Sum largest = shared.value[0];
    block.each([&](int t, Local& my) {
      my.value = 0;
      for (int64_t i = t; i < r.positions; i += kThreads)
        if (sortable(row[i]) >= threshold) my.value += std::exp(scale * (row[i] - largest));
    });
    reduce_block(block, shared, [](Sum a, Sum b) { return a + b; });
    const Sum factor = 1 / shared.value[0];
    block.each([&](int t, Local& my) {
      my.value = INFINITY;  // the smallest product that takes part
      for (int64_t i = t; i < r.stride; i += kThreads) {
        const Sum here = i < r.positions ? row[i] : Sum(-INFINITY);
        const bool in = i < r.positions && sortable(here) >= threshold;
        if (in && here < my.value) my.value = here;
        to[i] = narrow_to<T>(in ? factor * std::exp(scale * (here - largest)) : Sum(0));
      }
    });
    if (!state) return;
    reduce_block(block, shared, [](Sum a, Sum b) { return a < b ? a : b; });
    block.each([&](int t, Local&) {
      if (t != 0) return;
      state[index] = largest;
      state[states + index] = factor;
      state[2 * states + index] = select ? shared.value[0] : Sum(-INFINITY);
    });
  }
};

// Element i of a [rows, positions] block: its softmax weight again, from the product, and dL/d(
// product) = scale * weight * (<gy, value> - <gy, y>). weight may be product, slope may be
// g_weight. state and along are those of the block's first row.
template <class T>
struct ReadSlopes {
  using Sum = Compute<T>;
  double scale;
  Divider positions;
  const Sum *product, *g_weight;
  const Sum* state;
  int64_t states;
  const Sum* along;
  T *weight, *slope;

  HOST_DEVICE void operator()(uint32_t i) const {
    const uint32_t q = positions.divide(i);
    const Sum x = product[i], g = g_weight[i];
    const bool in = x >= state[2 * states + q];
    const Sum w = in ? state[states + q] * std::exp(Sum(scale) * (x - state[q])) : Sum(0);
    weight[i] = narrow_to<T>(w);
    slope[i] = narrow_to<T>(Sum(scale) * w * (g - along[q]));
  }
};

// along[q] = <a[q], b[q]>, rows of `size` numbers; 32 threads a row.
template <class T>
struct RowDots {
  static constexpr int kThreads = 256, kRows = 8;
  struct Shared {
    Compute<T> part[kThreads];
  };
  struct Local {};
  int64_t rows, size;
  const T *a, *b;
  Compute<T>* along;

  template <class Block>
  HOST_DEVICE void operator()(Block& block, uint32_t index, Shared& shared) const {
    const int64_t first = int64_t(index) * kRows;
    block.each([&](int t, Local&) {
      const int64_t row = first + t / 32;
      Compute<T> sum = 0;
      if (row < rows)
        for (int64_t k = t % 32; k < size; k += 32)
          sum += widen(a[row * size + k]) * widen(b[row * size + k]);
      shared.part[t] = sum;
    });
    block.each([&](int t, Local&) {
      if (t % 32 || first + t / 32 >= rows) return;
      Compute<T> sum = 0;
      for (int i = 0; i < 32; ++i) sum += shared.part[t + i];
      along[first + t / 32] = sum;
    });
  }
};

// Runs of units (16 bytes, or less where sizes are odd) put one behind the other.
template <class Unit>
struct GatherSlots {
  static constexpr int kSlots = 64;
  const Unit* from[kSlots];
  int64_t first[kSlots];  // where each run begins in `to`
  int slots;
  Unit* to;

  HOST_DEVICE void operator()(uint32_t i) const {
    int slot = 0;
    while (slot + 1 < slots && first[slot + 1] <= int64_t(i)) ++slot;
    to[i] = from[slot][i - first[slot]];
  }
};

}  // namespace munet::cuda
