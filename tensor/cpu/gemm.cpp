// The blocked loops of a matrix product: who computes which rows, what is packed when, and the
// tiles at the edges. The arithmetic itself is in the micro-kernels.
#include "tensor/cpu/gemm.h"

#include "tensor/parallel.h"
#include "tensor/storage.h"

namespace munet::cpu {
namespace {

// Rows of the left operand that one thread packs at a time: with 256 columns 96 KB, for the
// second-level cache, where the same rows of c lie too.
constexpr int64_t kRows = 96;

// A tile that sticks out of c, or lies across two images that share one `add`, at row i, column j:
// through a buffer, with the sums in the order of Tile.
template <class T>
void edge_tile(const Kernels<T>& table, const Product<T>& p, Tile<T> t, bool last, int64_t i,
               int64_t j) {
  const Epilogue<T>& e = p.epilogue;
  const int64_t rows = std::min(kTileRows, p.m - i), columns = std::min(kTileColumns, p.n - j);
  const bool accumulate = t.accumulate;
  T buffer[kTileRows * kTileColumns];
  t.c = buffer;
  t.stride = kTileColumns;
  t.accumulate = t.relu = false;
  t.bias = t.add = nullptr;
  table.tile(t);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t q = 0; q < columns; ++q) {
      T value = buffer[r * kTileColumns + q], &to = p.c[(i + r) * p.n + j + q];
      if (accumulate) value = value + to;
      if (last && e.bias) value += e.bias[j + q];
      if (last && e.add) value += e.add[(i + r) % e.add_rows * p.n + j + q];
      to = last && e.relu && value < T(0) ? T(0) : value;
    }
}

// One column of tiles: rows [row, row+rows) of c from column j on, for `depth` k from k0 on.
// `panels` is the left operand, `k` the whole (padded) depth of the right one.
template <class T>
void run_column(const Kernels<T>& table, const Product<T>& p, int64_t row, int64_t rows, int64_t j,
                int64_t k0, int64_t depth, int64_t k, const T* panels, bool first) {
  const Epilogue<T>& e = p.epilogue;
  const bool last = k0 + depth == k, whole = j + kTileColumns <= p.n;
  Tile<T> t;
  t.depth = depth;
  t.b = p.right + j * k + k0 * kTileColumns;
  t.stride = t.add_stride = p.n;
  t.accumulate = p.accumulate || k0 > 0;
  t.bias = last && whole && e.bias ? e.bias + j : nullptr;
  t.relu = last && e.relu;
  for (int64_t i = 0; i < rows; i += kTileRows) {
    bool edge = !whole || i + kTileRows > rows;
    if (last && e.add) {
      const int64_t add_row = (row + i) % e.add_rows;
      edge = edge || add_row + kTileRows > e.add_rows;
      t.add = e.add + add_row * p.n + j;
    }
    if (p.rows && i + kTileRows <= rows) {
      t.a = p.rows + (row + i) * p.k + k0;
      t.a_row = p.k;
      t.a_group = kGroup;
    } else {
      t.a = panels + i * depth;
      t.a_row = kGroup;
      t.a_group = kTileRows * kGroup;
    }
    // The next panel of the right operand arrives a quarter per call, during the first four calls.
    // In the first column that is the next rows of the left one, if they have not been packed.
    if (first && p.rows)
      t.ahead = t.a + kTileRows * p.k;
    else
      t.ahead = i < 4 * kTileRows ? t.b + k * kTileColumns + i / kTileRows * 4 * depth : t.b;
    if (edge) {
      edge_tile(table, p, t, last, row + i, j);
    } else {
      t.c = p.c + (row + i) * p.n + j;
      table.tile(t);
    }
  }
}

// How c is cut into tasks: blocks of rows, and of columns where there are too few rows to go round.
struct Tasks {
  int64_t rows, columns;  // of a task
  int64_t down, across;   // tasks
  Tasks(int64_t m, int64_t n, int64_t k) {
    constexpr int64_t kSerial = 1 << 16;  // multiply-adds that are not worth a second thread
    const int64_t threads = m * n * k < kSerial ? 1 : num_threads();
    const int64_t blocks = (m + kRows - 1) / kRows;
    down = round_up(blocks, threads);                      // the last thread shall not wait
    if ((m + down - 1) / down < kRows / 2) down = blocks;  // few rows: rather cut the columns
    rows = round_up((m + down - 1) / down, kTileRows);
    down = (m + rows - 1) / rows;
    const int64_t panels = (n + kTileColumns - 1) / kTileColumns;
    across = down >= threads ? 1 : std::min((2 * threads + down - 1) / down, (panels + 3) / 4);
    columns = (panels + across - 1) / across * kTileColumns;
    across = (n + columns - 1) / columns;
  }
};

}  // namespace

template <class T>
void multiply(const Product<T>& p) {
  if (p.m == 0 || p.n == 0) return;
  const Kernels<T>& table = kernels<T>();
  const int64_t k = padded(p.k);
  const int64_t blocks = (k + kDepth - 1) / kDepth;
  const int64_t depth = round_up((k + blocks - 1) / blocks, kGroup);
  const Tasks tasks(p.m, p.n, k);
  parallel_for(tasks.down * tasks.across, 1, [&](int64_t begin, int64_t end) {
    const Storage scratch(std::size_t(left_panels(tasks.rows, depth)) * sizeof(T), Device{});
    T* const panels = static_cast<T*>(scratch.data());
    for (int64_t task = begin; task < end; ++task) {
      const int64_t row = task / tasks.across * tasks.rows;
      const int64_t column = task % tasks.across * tasks.columns;
      const int64_t rows = std::min(tasks.rows, p.m - row);
      const int64_t last_column = std::min(column + tasks.columns, p.n);
      for (int64_t k0 = 0; k0 < k; k0 += depth) {
        const int64_t kc = std::min(depth, k - k0);  // a multiple of 8; p.k may end before
        const int64_t direct = p.rows ? rows / kTileRows * kTileRows : 0;
        T* const first = panels + direct * kc;
        if (rows % kTileRows || k0 + kc > p.k)
          std::fill(first, panels + left_panels(rows, kc), T(0));
        if (direct < rows) p.left(row + direct, rows - direct, k0, std::min(kc, p.k - k0), first);
        for (int64_t j = column; j < last_column; j += kTileColumns)
          run_column(table, p, row, rows, j, k0, kc, k, panels, j == column);
      }
    }
  });
}

template <class T>
void multiply(int64_t m, int64_t n, int64_t k, const PackLeft<T>& left, const PackRight<T>& right,
              T* c) {
  const Storage scratch(std::size_t(right_panels(n, std::min(k, kDepth))) * sizeof(T), Device{});
  T* const panels = static_cast<T*>(scratch.data());
  for (int64_t k0 = 0; k0 == 0 || k0 < k; k0 += kDepth) {
    const int64_t depth = std::min(kDepth, k - k0);
    const int64_t stride = kTileColumns * padded(depth);
    if (n % kTileColumns || depth % kGroup)
      std::fill(panels, panels + right_panels(n, depth), T(0));
    parallel_for(depth, 32, [&](int64_t begin, int64_t end) {
      right(k0 + begin, end - begin, panels + begin * kTileColumns, stride);
    });
    multiply(Product<T>{.m = m,
                        .n = n,
                        .k = depth,
                        .left = [&](int64_t row, int64_t rows, int64_t l, int64_t count,
                                    T* to) { left(row, rows, k0 + l, count, to); },
                        .right = panels,
                        .c = c,
                        .accumulate = k0 > 0});
  }
}

template <class T>
PackLeft<T> transposed_left(const T* a, int64_t m) {
  return [=](int64_t row, int64_t rows, int64_t k, int64_t depth, T* panels) {
    const auto transpose = kernels<T>().transpose;
    for (int64_t l = 0; l < depth; l += kGroup) {  // one group of k after the other
      const T* from = a + (k + l) * m + row;
      T* to = panels + l * kTileRows;
      const int64_t few = std::min(kGroup, depth - l);
      const int64_t whole = few == kGroup ? rows / kGroup * kGroup : 0;
      for (int64_t i = 0; i < whole; i += kGroup) {
        T* lines[kGroup];
        for (int64_t r = 0; r < kGroup; ++r) lines[r] = left_row(to, depth, i + r);
        transpose(from + i, m, lines);
      }
      for (int64_t i = whole; i < rows; ++i)
        for (int64_t r = 0; r < few; ++r) left_row(to, depth, i)[r] = from[r * m + i];
    }
  };
}

template <class T>
void gemm(const GemmShape& s, const T* a, const T* b, T* c) {
  const PackLeft<T> straight = [&](int64_t row, int64_t rows, int64_t k, int64_t depth, T* panels) {
    for (int64_t i = 0; i < rows; ++i)
      put_row<kGroup>(left_row(panels, depth, i), kTileRows * kGroup, 0, a + (row + i) * s.k + k,
                      depth);
  };
  const PackRight<T> right = [&](int64_t k, int64_t count, T* rows, int64_t stride) {
    for (int64_t l = 0; l < count && !s.transpose_b; ++l)
      put_row<kTileColumns>(rows + l * kTileColumns, stride, 0, b + (k + l) * s.n, s.n);
    for (int64_t j = 0; j < s.n && s.transpose_b; j += kTileColumns)
      put_columns(b + j * s.k + k, s.k, 1, std::min(kTileColumns, s.n - j), count,
                  rows + j / kTileColumns * stride);
  };
  multiply(s.m, s.n, s.k, s.transpose_a ? transposed_left(a, s.m) : straight, right, c);
}

template void multiply(const Product<float>&);
template void multiply(const Product<double>&);
template void multiply(int64_t, int64_t, int64_t, const PackLeft<float>&, const PackRight<float>&,
                       float*);
template void multiply(int64_t, int64_t, int64_t, const PackLeft<double>&, const PackRight<double>&,
                       double*);
template PackLeft<float> transposed_left(const float*, int64_t);
template PackLeft<double> transposed_left(const double*, int64_t);
template void gemm(const GemmShape&, const float*, const float*, float*);
template void gemm(const GemmShape&, const double*, const double*, double*);

}  // namespace munet::cpu
