// A thread takes a block of queries through all the memory, 128 positions after 128: similarities
// (block x 128) and sums (block x dv) stay in its second-level cache. Nothing depends on which
// thread takes what.
#include "tensor/cpu/attention.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "tensor/cpu/rows.h"
#include "tensor/parallel.h"

namespace munet::cpu {
namespace {

// A block of the gradients, and the most that one of the read may have: all the memory comes by
// once a block, from far away if there is much. Multiples of the tile's rows and of a group.
constexpr int64_t kQueryBlock = 48, kLargestBlock = 144;
constexpr int64_t kTile = kQueryBlock * kMemoryBlock;
constexpr int64_t kRowStride = kTileRows * kGroup;  // from group to group of a row of left panels

int64_t wide(int64_t dim) { return round_up(dim, kTileColumns); }

// c[rows][n] (+)= left * right, left panels and right panels of one depth. Rows are rounded up to 6
// and n to 16; one panel of right stays in the first-level cache while all rows pass by.
template <class T>
void product(int64_t rows, int64_t n, int64_t depth, const T* left, const T* right, T* c,
             int64_t stride, bool accumulate) {
  const Kernels<T>& table = kernels<T>();
  const int64_t deep = padded(depth);
  for (int64_t j = 0; j < n; j += kTileColumns, right += kTileColumns * deep)
    for (int64_t i = 0; i < rows; i += kTileRows)
      table.tile(
          {.depth = deep,
           .a = left + i * deep,
           .b = right,
           .c = c + i * stride + j,
           .stride = stride,
           .accumulate = accumulate,
           // The next panel, a part of it with each tile.
           .ahead = right + kTileColumns * deep + std::min<int64_t>(i / kTileRows, 3) * deep * 4});
}

// Calls f(part, first position in it, count) for every block of memory.
template <class T, class F>
void for_blocks(const std::vector<MemoryPart<T>>& parts, F&& f) {
  for (const MemoryPart<T>& part : parts)
    for (int64_t first = 0; first < part.positions; first += kMemoryBlock)
      f(part, first, std::min(kMemoryBlock, part.positions - first));
}

// The k largest numbers of a row seen so far, the smallest of them in front.
template <class T>
struct Largest {
  T* heap;
  int64_t k, size = 0;
  void offer(const T* values, int64_t n) {
    if (size == k && row_range(n, values).high <= heap[0]) return;
    for (int64_t i = 0; i < n; ++i) {
      if (size == k) {
        if (!(values[i] > heap[0])) continue;
        std::pop_heap(heap, heap + size--, std::greater<T>());
      }
      heap[size++] = values[i];
      std::push_heap(heap, heap + size, std::greater<T>());
    }
  }
};

// One thread's working memory, and what it keeps of each query while it walks through the memory.
template <class T>
struct Reader {
  Reader(const ReadSizes& sizes, const std::vector<MemoryPart<T>>& memory, int64_t queries)
      : s(sizes), parts(memory), block(queries) {}
  const ReadSizes& s;
  const std::vector<MemoryPart<T>>& parts;
  const int64_t block;  // queries at most, whole tiles
  const int64_t width = wide(s.value_dim);
  const Scratch<T> query{left_panels(block, s.key_dim)};
  const Scratch<T> score{block * kMemoryBlock}, weight{block * kMemoryBlock}, sum{block * width};
  T largest[kLargestBlock], total[kLargestBlock], threshold[kLargestBlock];
  int64_t rows = 0;

  void start(const T* queries, int64_t count) {
    rows = count;
    pack_left(queries, rows, s.key_dim, query.data);
    std::fill_n(sum.data, block * width, T(0));
    std::fill_n(weight.data, block * kMemoryBlock, T(0));  // rows beyond the last query stay so
    std::fill_n(largest, rows, -std::numeric_limits<T>::infinity());
    std::fill_n(total, rows, T(0));
    std::fill_n(threshold, rows, -std::numeric_limits<T>::infinity());
  }

  void products(const MemoryPart<T>& part, int64_t first, int64_t count) const {
    product(rows, count, s.key_dim, query.data, part.key + first * padded(s.key_dim), score.data,
            kMemoryBlock, false);
  }

  // All positions: a softmax whose origin moves up when a larger product turns up.
  void read_all() {
    for_blocks(parts, [&](const MemoryPart<T>& part, int64_t first, int64_t count) {
      products(part, first, count);
      for (int64_t i = 0; i < rows; ++i) {
        const T* line = score.data + i * kMemoryBlock;
        const T best = row_range(count, line).high;
        if (best > largest[i]) {
          const T factor = total[i] > 0 ? std::exp(T(s.scale) * (largest[i] - best)) : T(0);
          total[i] *= factor;
          for (int64_t k = 0; k < width; ++k) sum.data[i * width + k] *= factor;
          largest[i] = best;
        }
        total[i] += exp_row(count, T(s.scale), largest[i], line, left_row(weight.data, count, i),
                            kRowStride);
      }
      product(rows, width, count, weight.data, part.value + first * width, sum.data, width, true);
    });
  }

  // The k best only: one walk finds the k-th largest product, a second one adds the few values.
  void read_top() {
    const Scratch<T> heaps(rows * s.top_k);
    std::vector<Largest<T>> best;
    for (int64_t i = 0; i < rows; ++i) best.push_back({heaps.data + i * s.top_k, s.top_k});
    for_blocks(parts, [&](const MemoryPart<T>& part, int64_t first, int64_t count) {
      products(part, first, count);
      for (int64_t i = 0; i < rows; ++i)
        best[std::size_t(i)].offer(score.data + i * kMemoryBlock, count);
    });
    for (int64_t i = 0; i < rows; ++i) {
      const Largest<T>& row = best[std::size_t(i)];
      largest[i] = *std::max_element(row.heap, row.heap + row.size);
      threshold[i] = row.heap[0];
    }
    for_blocks(parts, [&](const MemoryPart<T>& part, int64_t first, int64_t count) {
      products(part, first, count);
      for (int64_t i = 0; i < rows; ++i) {
        const T* line = score.data + i * kMemoryBlock;
        if (row_range(count, line).high < threshold[i]) continue;
        for (int64_t j = 0; j < count; ++j)
          if (line[j] >= threshold[i])
            add_value(i, std::exp(T(s.scale) * (line[j] - largest[i])),
                      part.value + first * width + j * kTileColumns, padded(count));
      }
    });
  }

  // One position's value, 16 channels of it every `deep` rows, into the sum of query i.
  void add_value(int64_t i, T factor, const T* value, int64_t deep) {
    total[i] += factor;
    T* to = sum.data + i * width;
    for (int64_t k = 0; k < width; k += kTileColumns, value += kTileColumns * deep)
      for (int64_t j = 0; j < kTileColumns; ++j) to[k + j] += factor * value[j];
  }
};

}  // namespace

template <class T>
void pack_slot(const T* key, const T* value, int64_t positions, int64_t key_dim, int64_t value_dim,
               T* packed_key, T* packed_value) {
  parallel_for(positions, kMemoryBlock, [&](int64_t begin, int64_t end) {
    pack_transposed(key + begin * key_dim, end - begin, key_dim,
                    packed_key + begin * padded(key_dim));
    pack_blocks(value + begin * value_dim, end - begin, value_dim, kMemoryBlock,
                packed_value + begin * wide(value_dim));
  });
}

template <class T>
void memory_read(const ReadSizes& s, const std::vector<MemoryPart<T>>& parts, const T* query, T* y,
                 T* state) {
  int64_t positions = 0;
  for (const MemoryPart<T>& part : parts) positions += part.positions;
  const bool all = s.top_k <= 0 || s.top_k >= positions;
  // As few blocks as there may be, the same number for every thread.
  const int64_t blocks = round_up(s.queries / kLargestBlock + 1, num_threads());
  const int64_t block = round_up((s.queries + blocks - 1) / blocks, kTileRows);
  parallel_for(s.queries, block, [&](int64_t begin, int64_t end) {
    Reader<T> reader(s, parts, block);
    for (int64_t q = begin; q < end; q += block) {
      reader.start(query + q * s.key_dim, std::min(block, end - q));
      if (all)
        reader.read_all();
      else
        reader.read_top();
      for (int64_t i = 0; i < reader.rows; ++i) {
        const T factor = 1 / reader.total[i];
        for (int64_t k = 0; k < s.value_dim; ++k)
          y[(q + i) * s.value_dim + k] = reader.sum.data[i * reader.width + k] * factor;
        if (!state) continue;
        state[q + i] = reader.largest[i];
        state[s.queries + q + i] = factor;
        state[2 * s.queries + q + i] = reader.threshold[i];
      }
    }
  });
}

template void pack_slot(const float*, const float*, int64_t, int64_t, int64_t, float*, float*);
template void pack_slot(const double*, const double*, int64_t, int64_t, int64_t, double*, double*);
template void memory_read(const ReadSizes&, const std::vector<MemoryPart<float>>&, const float*,
                          float*, float*);
template void memory_read(const ReadSizes&, const std::vector<MemoryPart<double>>&, const double*,
                          double*, double*);

namespace {

// All that the gradients read, packed for products from both sides.
template <class T>
struct Gradients {
  Gradients(const ReadSizes& sizes, int64_t positions, const ReadTensors<T>& tensors)
      : s(sizes), p(positions), t(tensors) {}
  const ReadSizes& s;
  const int64_t p;
  const ReadTensors<T>& t;
  const int64_t dk = wide(s.key_dim), dv = wide(s.value_dim);
  // Transposed, as blocks of 128 positions or 48 queries, and as left panels.
  const Scratch<T> key_columns{right_panels(p, s.key_dim)};
  const Scratch<T> value_columns{right_panels(p, s.value_dim)};
  const Scratch<T> key_blocks{padded(p) * dk};
  const Scratch<T> query_blocks{padded(s.queries) * dk}, gy_blocks{padded(s.queries) * dv};
  const Scratch<T> query_left{left_panels(s.queries, s.key_dim)};
  const Scratch<T> gy_left{left_panels(s.queries, s.value_dim)};
  const Scratch<T> along{s.queries};  // <gy, y>

  void pack() const {
    parallel_for(p, kMemoryBlock, [&](int64_t begin, int64_t end) {
      const T *key = t.key + begin * s.key_dim, *value = t.value + begin * s.value_dim;
      const int64_t n = end - begin;
      pack_transposed(key, n, s.key_dim, key_columns.data + begin * padded(s.key_dim));
      pack_transposed(value, n, s.value_dim, value_columns.data + begin * padded(s.value_dim));
      pack_blocks(key, n, s.key_dim, kMemoryBlock, key_blocks.data + begin * dk);
    });
    parallel_for(s.queries, kQueryBlock, [&](int64_t begin, int64_t end) {
      const T *query = t.query + begin * s.key_dim, *gy = t.gy + begin * s.value_dim;
      const int64_t n = end - begin;
      pack_left(query, n, s.key_dim, query_left.data + begin * padded(s.key_dim));
      pack_left(gy, n, s.value_dim, gy_left.data + begin * padded(s.value_dim));
      pack_blocks(query, n, s.key_dim, kQueryBlock, query_blocks.data + begin * dk);
      pack_blocks(gy, n, s.value_dim, kQueryBlock, gy_blocks.data + begin * dv);
      for (int64_t q = begin; q < end; ++q) {
        double sum = 0;
        for (int64_t k = q * s.value_dim; k < (q + 1) * s.value_dim; ++k)
          sum += double(t.gy[k]) * double(t.y[k]);
        along.data[q] = T(sum);
      }
    });
  }

  // weight = softmax and slope = dL/d(product) = scale * weight * (<gy, value> - <gy, y>) of the
  // queries q.. against the positions first.., both [48][128]. The products are the forward's own,
  // bit for bit: the k-th largest lies exactly on its threshold.
  void slopes(int64_t q, int64_t rows, int64_t first, int64_t count, T* weight, T* slope) const {
    product(rows, count, s.key_dim, query_left.data + q * padded(s.key_dim),
            key_columns.data + first * padded(s.key_dim), weight, kMemoryBlock, false);
    product(rows, count, s.value_dim, gy_left.data + q * padded(s.value_dim),
            value_columns.data + first * padded(s.value_dim), slope, kMemoryBlock, false);
    for (int64_t i = 0; i < rows; ++i) {
      T *w = weight + i * kMemoryBlock, *g = slope + i * kMemoryBlock;
      const T factor = t.state[s.queries + q + i], threshold = t.state[2 * s.queries + q + i];
      for (int64_t j = 0; j < count; ++j)
        if (w[j] < threshold) w[j] = -std::numeric_limits<T>::infinity();
      exp_row(count, T(s.scale), t.state[q + i], w, w, kGroup);
      for (int64_t j = 0; j < count; ++j) {
        w[j] *= factor;
        g[j] = T(s.scale) * w[j] * (g[j] - along.data[q + i]);
      }
    }
  }

  void for_queries() const {
    parallel_for(s.queries, kQueryBlock, [&](int64_t begin, int64_t end) {
      const Scratch<T> weight(kTile), slope(kTile), left(kTile), sum(kQueryBlock * dk);
      for (int64_t q = begin; q < end; q += kQueryBlock) {
        const int64_t rows = std::min(kQueryBlock, end - q);
        std::fill_n(sum.data, kQueryBlock * dk, T(0));
        for (int64_t first = 0; first < p; first += kMemoryBlock) {
          const int64_t count = std::min(kMemoryBlock, p - first);
          slopes(q, rows, first, count, weight.data, slope.data);
          std::fill_n(left.data, left_panels(rows, count), T(0));
          for (int64_t i = 0; i < rows; ++i)
            put_row<kGroup>(left_row(left.data, count, i), kRowStride, 0,
                            slope.data + i * kMemoryBlock, count);
          product(rows, dk, count, left.data, key_blocks.data + first * dk, sum.data, dk, true);
        }
        for (int64_t i = 0; i < rows; ++i)
          for (int64_t k = 0; k < s.key_dim; ++k)
            t.g_query[(q + i) * s.key_dim + k] += sum.data[i * dk + k];
      }
    });
  }

  void for_memory() const {
    constexpr int64_t kRows = (kMemoryBlock + kTileRows - 1) / kTileRows * kTileRows;
    parallel_for(p, kMemoryBlock, [&](int64_t begin, int64_t end) {
      const Scratch<T> weight(kTile), slope(kTile), left(kRows * kQueryBlock);
      const Scratch<T> g_key(kRows * dk), g_value(kRows * dv);
      // [queries][positions] as left panels [positions, queries].
      const auto turn = [&](const T* from, int64_t rows, int64_t count) {
        std::fill_n(left.data, left_panels(count, rows), T(0));
        for (int64_t j = 0; j < count; ++j) {
          T* to = left_row(left.data, rows, j);
          for (int64_t i = 0; i < rows; ++i)
            to[i / kGroup * kRowStride + i % kGroup] = from[i * kMemoryBlock + j];
        }
      };
      for (int64_t first = begin; first < end; first += kMemoryBlock) {
        const int64_t count = std::min(kMemoryBlock, end - first);
        std::fill_n(g_key.data, kRows * dk, T(0));
        std::fill_n(g_value.data, kRows * dv, T(0));
        for (int64_t q = 0; q < s.queries; q += kQueryBlock) {
          const int64_t rows = std::min(kQueryBlock, s.queries - q);
          slopes(q, rows, first, count, weight.data, slope.data);
          turn(slope.data, rows, count);
          product(count, dk, rows, left.data, query_blocks.data + q * dk, g_key.data, dk, true);
          turn(weight.data, rows, count);
          product(count, dv, rows, left.data, gy_blocks.data + q * dv, g_value.data, dv, true);
        }
        for (int64_t j = 0; j < count; ++j) {
          std::copy_n(g_key.data + j * dk, s.key_dim, t.g_key + (first + j) * s.key_dim);
          std::copy_n(g_value.data + j * dv, s.value_dim, t.g_value + (first + j) * s.value_dim);
        }
      }
    });
  }
};

}  // namespace

template <class T>
void memory_gradients(const ReadSizes& sizes, int64_t positions, const ReadTensors<T>& tensors) {
  const Gradients<T> gradients(sizes, positions, tensors);
  gradients.pack();
  gradients.for_queries();
  gradients.for_memory();
}

template void memory_gradients(const ReadSizes&, int64_t, const ReadTensors<float>&);
template void memory_gradients(const ReadSizes&, int64_t, const ReadTensors<double>&);

}  // namespace munet::cpu
