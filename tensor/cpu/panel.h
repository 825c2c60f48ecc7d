// Operands of the micro-kernels as the memory read and the matching use them, which share both
// algorithms between f32 and f64, so that gradcheck checks the loops that run. Read gemm.h first.
#pragma once

#include <algorithm>
#include <cstdint>

#include "tensor/cpu/gemm.h"
#include "tensor/storage.h"

namespace munet::cpu {

// Uninitialised working memory, 64-byte aligned, from the tensors' cache.
template <class T>
struct Scratch {
  explicit Scratch(int64_t n)
      : storage(std::size_t(n) * sizeof(T), Device{}), data(static_cast<T*>(storage.data())) {}
  Storage storage;
  T* data;
};

// x [rows, depth] as left panels, the padding zero.
template <class T>
void pack_left(const T* x, int64_t rows, int64_t depth, T* panels) {
  std::fill_n(panels, left_panels(rows, depth), T(0));
  for (int64_t i = 0; i < rows; ++i)
    put_row<kGroup>(left_row(panels, depth, i), kTileRows * kGroup, 0, x + i * depth, depth);
}

// x [n, depth] transposed as right panels [n/16][depth][16], for products with x^T.
template <class T>
void pack_transposed(const T* x, int64_t n, int64_t depth, T* panels) {
  const int64_t deep = padded(depth);
  for (int64_t first = 0; first < n; first += kTileColumns, panels += deep * kTileColumns) {
    const int64_t columns = std::min(kTileColumns, n - first);
    if (columns < kTileColumns || depth < deep) std::fill_n(panels, deep * kTileColumns, T(0));
    put_columns(x + first * depth, depth, 1, columns, depth, panels);
  }
}

// x [p, d] as right panels of `block` rows each (a multiple of 8): [p/block][d/16][block][16], the
// last block only as deep as its rows need. For products with parts of x.
template <class T>
void pack_blocks(const T* x, int64_t p, int64_t d, int64_t block, T* panels) {
  for (int64_t first = 0; first < p; first += block) {
    const int64_t rows = std::min(block, p - first), deep = padded(rows);
    for (int64_t left = 0; left < d; left += kTileColumns)
      for (int64_t i = 0; i < deep; ++i, panels += kTileColumns)
        for (int64_t j = 0; j < kTileColumns; ++j)
          panels[j] = i < rows && left + j < d ? x[(first + i) * d + left + j] : T(0);
  }
}

}  // namespace munet::cpu
