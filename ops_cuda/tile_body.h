// A matrix product whose operands are gathered on the way: one block computes one tile of the
// result from two tiles in shared memory. Operands say how their elements are found (conv_body.h).
#pragma once

#include "ops_cuda/run.h"

namespace munet::cuda {

// One tile: Rows x Columns = 4096 sums, sixteen for each of 256 threads.
template <int Rows, int Columns, class SumType>
struct Tile {
  using Sum = SumType;
  static constexpr int kRows = Rows, kColumns = Columns, kDepth = 16, kThreads = 256;
  static_assert(Rows * Columns == 16 * kThreads);
  Sum left[kDepth][Rows + 4], right[kDepth][Columns + 4];  // 4: fewer bank conflicts
};

// What a thread loads of one operand for each step of 16 along the depth: Size / 16 elements, along
// the axis that lies together in memory. An Operand splits an index along its outer axis and one
// along the depth (divisions, done once) and then finds the element of a pair:
//   static constexpr bool kDepthFast;  Outer outer(int64_t);  Inner inner(int64_t);  at(Outer,
//   Inner)
template <class Operand, int Size>
struct Loader {
  static constexpr int kEach = Size / 16, kStep = 256 / Size;
  static constexpr bool kDepthFast = Operand::kDepthFast;
  typename Operand::Outer outer[kDepthFast ? kEach : 1];

  HOST_DEVICE void start(const Operand& operand, int64_t first, int64_t end, int t) {
    for (int i = 0; i < (kDepthFast ? kEach : 1); ++i) {
      const int64_t at = first + (kDepthFast ? t / 16 + 16 * i : t % Size);
      outer[i] = operand.outer(at < end ? at : end - 1);
    }
  }

  template <class Sum>
  HOST_DEVICE void load(const Operand& operand, int64_t first, int64_t end, int64_t depth,
                        int64_t depth_end, int t, Sum (*to)[Size + 4]) const {
    if constexpr (kDepthFast) {
      const int k = t % 16;
      const bool inside = depth + k < depth_end;
      const auto inner = operand.inner(inside ? depth + k : depth);
      for (int i = 0; i < kEach; ++i) {
        const int row = t / 16 + 16 * i;
        to[k][row] = inside && first + row < end ? operand.at(outer[i], inner) : Sum(0);
      }
    } else {
      const int row = t % Size;
      for (int i = 0; i < kEach; ++i) {
        const int k = t / Size + kStep * i;
        const bool inside = depth + k < depth_end && first + row < end;
        to[k][row] = inside ? operand.at(outer[0], operand.inner(depth + k)) : Sum(0);
      }
    }
  }
};

// A matrix in memory: element (outer, depth) at outer * size + depth, or depth * size + outer.
template <class T, bool DepthFast>
struct Matrix {
  static constexpr bool kDepthFast = DepthFast;
  using Outer = int64_t;
  using Inner = int64_t;
  const T* data;
  int64_t size;
  HOST_DEVICE Outer outer(int64_t i) const { return DepthFast ? i * size : i; }
  HOST_DEVICE Inner inner(int64_t k) const { return DepthFast ? k : k * size; }
  HOST_DEVICE Compute<T> at(Outer i, Inner k) const { return widen(data[i + k]); }
};

// c[row][column] = sum over k of left(row, k) * right(column, k), handed to store(part, row,
// column, sum). The depth may be cut into parts, each with sums of its own.
template <class Tile, class Left, class Right, class Store>
struct Product {
  static constexpr int kThreads = Tile::kThreads;
  using Shared = Tile;
  struct Local {
    typename Tile::Sum sum[4][4];
    Loader<Left, Tile::kRows> left;
    Loader<Right, Tile::kColumns> right;
  };
  int64_t rows, columns, depth;
  Left left;
  Right right;
  Store store;
  int64_t part_depth = depth;  // a multiple of Tile::kDepth, or the whole depth

  int64_t tiles() const { return blocks_for(rows, Tile::kRows) * across(); }
  int64_t parts() const { return depth > 0 ? blocks_for(depth, part_depth) : 1; }
  HOST_DEVICE int64_t across() const { return blocks_for(columns, Tile::kColumns); }

  template <class Block>
  HOST_DEVICE void operator()(Block& block, uint32_t index, Shared& shared) const {
    const int64_t down = blocks_for(rows, Tile::kRows), part = index / (across() * down);
    const int64_t row0 = index / across() % down * Tile::kRows;
    const int64_t column0 = index % across() * Tile::kColumns;
    const int64_t begin = part * part_depth;
    const int64_t end = begin + part_depth < depth ? begin + part_depth : depth;
    constexpr int kAcross = Tile::kColumns / 4;  // threads along a row of the tile
    block.each([&](int t, Local& my) {
      my.left.start(left, row0, rows, t);
      my.right.start(right, column0, columns, t);
      for (int i = 0; i < 4; ++i)
        for (int j = 0; j < 4; ++j) my.sum[i][j] = 0;
    });
    for (int64_t k = begin; k < end; k += Tile::kDepth) {
      block.each([&](int t, Local& my) {
        my.left.load(left, row0, rows, k, end, t, shared.left);
        my.right.load(right, column0, columns, k, end, t, shared.right);
      });
      block.each([&](int t, Local& my) {
        const int row = t / kAcross * 4, column = t % kAcross * 4;
        for (int d = 0; d < Tile::kDepth; ++d)
          for (int i = 0; i < 4; ++i)
            for (int j = 0; j < 4; ++j)
              my.sum[i][j] += shared.left[d][row + i] * shared.right[d][column + j];
      });
    }
    block.each([&](int t, Local& my) {
      const int64_t row = row0 + t / kAcross * 4, column = column0 + t % kAcross * 4;
      for (int i = 0; i < 4; ++i)
        for (int j = 0; j < 4; ++j)
          if (row + i < rows && column + j < columns)
            store(part, row + i, column + j, my.sum[i][j]);
    });
  }
};

template <class Run, class Body>
void run_product(const char* name, const Body& body) {
  Run::blocks(name, body.tiles() * body.parts(), body);
}

}  // namespace munet::cuda
