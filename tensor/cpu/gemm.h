// Matrix products on raw pointers, row-major: the plain product, and the blocked loops that it
// shares with convolution. Read kernels.h first.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>

#include "tensor/cpu/kernels.h"

namespace munet::cpu {

struct GemmShape {
  int64_t m, n, k;
  bool transpose_a = false, transpose_b = false;  // a is stored [k,m], b is stored [n,k]
};
// c[m,n] = op(a) op(b) for T = float, double, with m*n*k multiply-adds and scratch for 256 rows of
// b. |error| <= (258 + k/256) * eps * sum_k |a||b| for each element, eps = 2^-24 (f64: 2^-53).
template <class T>
void gemm(const GemmShape& s, const T* a, const T* b, T* c);

// Both operands of the blocked loops are kept as panels, zero beyond their last row or column:
//   left, a block of rows:   [rows/6][depth/8][6][8]   rows and depth rounded up
//   right:                   [n/16][depth][16]         n up to 16, depth up to 8

inline int64_t round_up(int64_t x, int64_t to) { return (x + to - 1) / to * to; }
inline int64_t padded(int64_t depth) { return round_up(std::max<int64_t>(depth, 1), kGroup); }
inline int64_t left_panels(int64_t rows, int64_t depth) {  // numbers in a left block
  return round_up(rows, kTileRows) * padded(depth);
}
inline int64_t right_panels(int64_t n, int64_t depth) {
  return round_up(n, kTileColumns) * padded(depth);
}

// Where row i of left panels `depth` deep begins.
template <class T>
T* left_row(T* panels, int64_t depth, int64_t i) {
  return panels + i / kTileRows * kTileRows * padded(depth) + i % kTileRows * kGroup;
}

// Rows of a left block are short pieces of x, too short for the hardware to foresee the next: where
// packing one will ask for the rows to come, in numbers. Worth 5 to 10 % of a 1x1 convolution.
inline constexpr int64_t kReadAhead = 1024;

// Columns [k, k+count) of one row that lies in pieces of Size numbers, `stride` apart: copied from
// `from`, or zeros if it is null. A row of left panels has Size 8 and stride 48; row k of right
// panels has Size 16 and stride 16 * depth.
template <int64_t Size, class T>
void put_row(T* row, int64_t stride, int64_t k, const T* from, int64_t count) {
  const auto at = [&](int64_t i) { return row + (k + i) / Size * stride + (k + i) % Size; };
  const auto put_few = [&](int64_t i, int64_t end) {
    for (; i < end; ++i) *at(i) = from ? from[i] : T(0);
  };
  int64_t i = std::min((Size - k % Size) % Size, count);
  put_few(0, i);
  for (T* to = at(i); i + Size <= count; i += Size, to += stride) {
    if (from) {
      std::memcpy(to, from + i, Size * sizeof(T));
      __builtin_prefetch(from + i + kReadAhead);
    } else {
      std::memset(to, 0, Size * sizeof(T));
    }
  }
  put_few(i, count);
}

// Rows of right panels from a matrix that lies transposed, or not: for k < rows and j < columns <=
// 16, to[16 k + j] = from[j * column_step + k * row_step], one of the steps being 1.
template <class T>
void put_columns(const T* from, int64_t column_step, int64_t row_step, int64_t columns,
                 int64_t rows, T* to) {
  if (column_step == 1) {
    for (int64_t k = 0; k < rows; ++k, to += kTileColumns, from += row_step)
      if (columns == kTileColumns)
        std::memcpy(to, from, kTileColumns * sizeof(T));
      else
        std::copy_n(from, columns, to);
    return;
  }
  const auto transpose = kernels<T>().transpose;
  const int64_t whole = columns / kGroup * kGroup;
  for (int64_t k = 0; k < rows; k += kGroup, to += kGroup * kTileColumns, from += kGroup) {
    const int64_t few = std::min(kGroup, rows - k);
    for (int64_t j = 0; j < whole && few == kGroup; j += kGroup) {
      T* lines[kGroup];
      for (int64_t i = 0; i < kGroup; ++i) lines[i] = to + i * kTileColumns + j;
      transpose(from + j * column_step, column_step, lines);
    }
    for (int64_t j = few == kGroup ? whole : 0; j < columns; ++j)
      for (int64_t i = 0; i < few; ++i) to[i * kTileColumns + j] = from[j * column_step + i];
  }
}

// Fills left panels with rows [row, row+rows), columns [k, k+depth) of the left operand; the
// padding is zero already. Called by several threads at once.
template <class T>
using PackLeft =
    std::function<void(int64_t row, int64_t rows, int64_t k, int64_t depth, T* panels)>;

// Done to c[i][j] on its way to memory: act(c + bias[j] + add[i % add_rows][j]).
template <class T>
struct Epilogue {
  const T* bias = nullptr;  // [n], or null
  const T* add = nullptr;   // [add_rows,n], or null
  int64_t add_rows = 1;
  bool relu = false;
};

// c[m,n] = epilogue((accumulate ? c : 0) + left * right), right packed before: weights.
// Rows of c are shared out to the threads in blocks, columns too where the rows are few. The sum
// over k runs in blocks of at most kDepth that depend on k alone: results do not depend on threads.
template <class T>
struct Product {
  int64_t m, n, k;
  PackLeft<T> left;
  // The left operand itself, if it lies [m,k] and k is a multiple of 8: whole tiles are read from
  // it, and `left` packs the last rows only.
  const T* rows = nullptr;
  const T* right = nullptr;  // right panels of the whole k, 64-byte aligned
  T* c = nullptr;
  bool accumulate = false;
  Epilogue<T> epilogue = {};
};
inline constexpr int64_t kDepth = 256;  // 16 columns of right, 16 KB, stay in the first-level cache
template <class T>
void multiply(const Product<T>& p);

// Fills rows [k, k+count) of right panels; row 0 of these lies at `rows` in pieces of 16 numbers,
// `stride` apart, and row i at rows + 16 * i. Called by several threads at once.
template <class T>
using PackRight = std::function<void(int64_t k, int64_t count, T* rows, int64_t stride)>;

// c[m,n] = left * right with both packed on the way, kDepth rows of right at a time.
template <class T>
void multiply(int64_t m, int64_t n, int64_t k, const PackLeft<T>& left, const PackRight<T>& right,
              T* c);

// Left panels of a left operand that is stored [k,m].
template <class T>
PackLeft<T> transposed_left(const T* a, int64_t m);

}  // namespace munet::cpu
