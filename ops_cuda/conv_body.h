// Convolution as products of gathered operands (tile_body.h): forward with its epilogue, and both
// gradients, each element of the result gathered by one thread. Used where cuDNN is absent or has
// no engine for a shape.
#pragma once

#include "ops_cuda/tile_body.h"

namespace munet::cuda {

struct ConvSizes {
  int n, h, w, c;  // x
  int o, kh, kw;
  int stride, padding;
  int oh, ow;  // y
  HOST_DEVICE int64_t outputs() const { return int64_t(n) * oh * ow; }
  HOST_DEVICE int64_t inputs() const { return int64_t(n) * h * w; }
  HOST_DEVICE int64_t window() const { return int64_t(kh) * kw * c; }
};

struct Position {
  int image, row, column;
  HOST_DEVICE static Position of(int64_t index, int h, int w) {
    const int rest = int(index % (int64_t(h) * w));
    return {int(index / (int64_t(h) * w)), rest / w, rest % w};
  }
};
struct Tap {
  int p, q, channel;
  HOST_DEVICE static Tap of(int64_t index, int kw, int channels) {
    const int tap = int(index / channels);
    return {tap / kw, tap % kw, int(index % channels)};
  }
};

// x under tap (p, q, channel) of the output at a position, 0 outside.
template <class T>
HOST_DEVICE Compute<T> pixel_under(const ConvSizes& s, const T* x, const Position& y,
                                   const Tap& tap) {
  const int row = y.row * s.stride + tap.p - s.padding;
  const int column = y.column * s.stride + tap.q - s.padding;
  if (row < 0 || row >= s.h || column < 0 || column >= s.w) return 0;
  return widen(x[((int64_t(y.image) * s.h + row) * s.w + column) * s.c + tap.channel]);
}

// Pixels under output positions: rows of the forward product.
template <class T>
struct WindowRows {
  static constexpr bool kDepthFast = true;
  using Outer = Position;
  using Inner = Tap;
  ConvSizes s;
  const T* x;
  HOST_DEVICE Outer outer(int64_t i) const { return Position::of(i, s.oh, s.ow); }
  HOST_DEVICE Inner inner(int64_t k) const { return Tap::of(k, s.kw, s.c); }
  HOST_DEVICE Compute<T> at(const Outer& y, const Inner& tap) const {
    return pixel_under(s, x, y, tap);
  }
};

// The same numbers as columns of the product for the weights' gradient.
template <class T>
struct WindowColumns {
  static constexpr bool kDepthFast = false;
  using Outer = Tap;
  using Inner = Position;
  ConvSizes s;
  const T* x;
  HOST_DEVICE Outer outer(int64_t i) const { return Tap::of(i, s.kw, s.c); }
  HOST_DEVICE Inner inner(int64_t k) const { return Position::of(k, s.oh, s.ow); }
  HOST_DEVICE Compute<T> at(const Outer& tap, const Inner& y) const {
    return pixel_under(s, x, y, tap);
  }
};

// gy over the outputs that saw a pixel: rows of the product for x's gradient, depth (p, q, o).
template <class T>
struct OutputsOver {
  static constexpr bool kDepthFast = true;
  using Outer = Position;
  using Inner = Tap;
  ConvSizes s;
  const T* gy;
  HOST_DEVICE Outer outer(int64_t i) const { return Position::of(i, s.h, s.w); }
  HOST_DEVICE Inner inner(int64_t k) const { return Tap::of(k, s.kw, s.o); }
  HOST_DEVICE Compute<T> at(const Outer& x, const Inner& tap) const {
    const int row = x.row + s.padding - tap.p, column = x.column + s.padding - tap.q;
    if (row < 0 || column < 0 || row % s.stride || column % s.stride) return 0;
    const int i = row / s.stride, j = column / s.stride;
    if (i >= s.oh || j >= s.ow) return 0;
    return widen(gy[((int64_t(x.image) * s.oh + i) * s.ow + j) * s.o + tap.channel]);
  }
};

// w [o,kh,kw,c] as columns c over depth (p, q, o).
template <class T>
struct TurnedWeights {
  static constexpr bool kDepthFast = false;
  using Outer = int64_t;
  using Inner = int64_t;
  ConvSizes s;
  const T* w;
  HOST_DEVICE Outer outer(int64_t i) const { return i; }
  HOST_DEVICE Inner inner(int64_t k) const {
    const Tap tap = Tap::of(k, s.kw, s.o);
    return ((int64_t(tap.channel) * s.kh + tap.p) * s.kw + tap.q) * s.c;
  }
  HOST_DEVICE Compute<T> at(Outer i, Inner k) const { return widen(w[i + k]); }
};

// y = activation(sum + bias + add); bias and add may be null, add has add_rows rows.
template <class T>
struct Epilogue {
  const T *bias, *add;
  int64_t add_rows;
  bool relu;
  T* y;
  int64_t o;
  HOST_DEVICE void operator()(int64_t, int64_t row, int64_t column, Compute<T> sum) const {
    if (bias) sum += widen(bias[column]);
    if (add) sum += widen(add[row % add_rows * o + column]);
    y[row * o + column] = narrow_to<T>(relu && sum < 0 ? Compute<T>(0) : sum);
  }
};

// The epilogue alone, in place: element i of y, for a convolution that does without.
template <class T>
struct EpilogueLoop {
  Epilogue<T> epilogue;
  Divider o;
  HOST_DEVICE void operator()(uint32_t i) const {
    const uint32_t column = o.split(i);  // i: now the row
    epilogue(0, i, column, widen(epilogue.y[int64_t(i) * epilogue.o + column]));
  }
};

template <class T>
struct PlainStore {
  T* c;
  int64_t rows, columns;
  HOST_DEVICE void operator()(int64_t part, int64_t row, int64_t column, Compute<T> sum) const {
    c[(part * rows + row) * columns + column] = narrow_to<T>(sum);
  }
};

// Tiles for many and for few columns.
template <class T>
using SquareTile = Tile<64, 64, Compute<T>>;
template <class T>
using NarrowTile = Tile<256, 16, Compute<T>>;

// to[i] = the sum of `parts` numbers, size apart, in order.
template <class T>
struct SumParts {
  const Compute<T>* partial;
  int64_t size, parts;
  T* to;
  HOST_DEVICE void operator()(uint32_t i) const {
    Compute<T> sum = 0;
    for (int64_t part = 0; part < parts; ++part) sum += partial[part * size + i];
    to[i] = narrow_to<T>(sum);
  }
};

// partial[part][column] = the sum of a run of rows of x [rows, columns]; 32 columns a block, eight
// threads a column.
template <class T>
struct ColumnSums {
  static constexpr int kThreads = 256, kColumns = 32, kLanes = 8;
  struct Shared {
    Compute<T> part[kLanes][kColumns];
  };
  struct Local {};
  const T* x;
  int64_t rows, columns, part_rows;
  Compute<T>* partial;

  int64_t parts() const { return rows > 0 ? blocks_for(rows, part_rows) : 1; }
  int64_t blocks() const { return blocks_for(columns, kColumns) * parts(); }
  template <class Block>
  HOST_DEVICE void operator()(Block& block, uint32_t index, Shared& shared) const {
    const int64_t across = blocks_for(columns, kColumns), part = index / across;
    const int64_t first = index % across * kColumns, begin = part * part_rows;
    const int64_t end = begin + part_rows < rows ? begin + part_rows : rows;
    block.each([&](int t, Local&) {
      const int64_t column = first + t % kColumns;
      Compute<T> sum = 0;
      if (column < columns)
        for (int64_t row = begin + t / kColumns; row < end; row += kLanes)
          sum += widen(x[row * columns + column]);
      shared.part[t / kColumns][t % kColumns] = sum;
    });
    block.each([&](int t, Local&) {
      if (t >= kColumns || first + t >= columns) return;
      Compute<T> sum = 0;
      for (int lane = 0; lane < kLanes; ++lane) sum += shared.part[lane][t];
      partial[part * columns + first + t] = sum;
    });
  }
};

}  // namespace munet::cuda
