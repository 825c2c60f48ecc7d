// A thread takes 48 queries at a time through all the memory, 128 positions after 128: similarities
// (48 x 128) and sums (48 x dv) stay in its cache. Nothing depends on which thread takes what.
#include "tensor/cpu/attention.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "tensor/cpu/exponential.h"
#include "tensor/parallel.h"

namespace munet::cpu {
namespace {

constexpr int64_t kQueryBlock = 48;

// out[i][j] = <rows[i], panel column j> for the positions [0, count) of packed panels.
template <class T>
void products(int64_t rows, int64_t depth, const T* a, const T* packed, int64_t count, T* out) {
  for (int64_t j = 0; j < count; j += kPanel)
    multiply_panel(rows, depth, a, depth, packed + j * depth, out + j, kMemoryBlock, false);
}

// sum[i] += weights[i] * block, a block of pack_blocks with `count` rows.
template <class T>
void accumulate(int64_t rows, int64_t count, const T* weights, int64_t stride, const T* block,
                int64_t width, T* sum) {
  for (int64_t k = 0; k < width; k += kPanel)
    multiply_panel(rows, count, weights, stride, block + k * count, sum + k, width, true);
}

// Calls f(part, first position in it, count) for every tile of memory.
template <class T, class F>
void for_tiles(const std::vector<MemoryPart<T>>& parts, F&& f) {
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
    for (int64_t i = 0; i < n; ++i) {
      if (size < k) {
        heap[size++] = values[i];
        std::push_heap(heap, heap + size, std::greater<T>());
      } else if (values[i] > heap[0]) {
        std::pop_heap(heap, heap + k, std::greater<T>());
        heap[k - 1] = values[i];
        std::push_heap(heap, heap + k, std::greater<T>());
      }
    }
  }
};

template <class T>
struct Block {  // what one block of queries keeps while it walks through the memory
  int64_t rows;
  T *score, *sum, *largest, *total, *threshold;
};

// All positions: a softmax whose origin moves up when a larger product turns up.
template <class T>
void read_all(const ReadSizes& s, const std::vector<MemoryPart<T>>& parts, const T* query,
              const Block<T>& b) {
  const int64_t width = round_up(s.value_dim, kPanel);
  for_tiles(parts, [&](const MemoryPart<T>& part, int64_t first, int64_t count) {
    products(b.rows, s.key_dim, query, part.key + first * s.key_dim, count, b.score);
    for (int64_t i = 0; i < b.rows; ++i) {
      T* line = b.score + i * kMemoryBlock;
      const T best = *std::max_element(line, line + count);
      if (best > b.largest[i]) {
        const T factor = b.total[i] > 0 ? std::exp(T(s.scale) * (b.largest[i] - best)) : T(0);
        b.total[i] *= factor;
        for (int64_t k = 0; k < width; ++k) b.sum[i * width + k] *= factor;
        b.largest[i] = best;
      }
      b.total[i] += exp_row(count, T(s.scale), b.largest[i], line);
    }
    accumulate(b.rows, count, b.score, kMemoryBlock, part.value + first * width, width, b.sum);
  });
}

// The k best only: one walk finds the k-th largest product, a second one adds the few values.
template <class T>
void read_top(const ReadSizes& s, const std::vector<MemoryPart<T>>& parts, const T* query,
              const Block<T>& b) {
  const int64_t width = round_up(s.value_dim, kPanel);
  const Scratch<T> heaps(b.rows * s.top_k);
  std::vector<Largest<T>> best;
  for (int64_t i = 0; i < b.rows; ++i) best.push_back({heaps.data + i * s.top_k, s.top_k});
  for_tiles(parts, [&](const MemoryPart<T>& part, int64_t first, int64_t count) {
    products(b.rows, s.key_dim, query, part.key + first * s.key_dim, count, b.score);
    for (int64_t i = 0; i < b.rows; ++i)
      best[std::size_t(i)].offer(b.score + i * kMemoryBlock, count);
  });
  for (int64_t i = 0; i < b.rows; ++i) {
    const Largest<T>& row = best[std::size_t(i)];
    b.largest[i] = *std::max_element(row.heap, row.heap + row.size);
    b.threshold[i] = row.heap[0];
  }
  for_tiles(parts, [&](const MemoryPart<T>& part, int64_t first, int64_t count) {
    products(b.rows, s.key_dim, query, part.key + first * s.key_dim, count, b.score);
    const T* block = part.value + first * width;
    for (int64_t i = 0; i < b.rows; ++i)
      for (int64_t j = 0; j < count; ++j) {
        const T score = b.score[i * kMemoryBlock + j];
        if (score < b.threshold[i]) continue;
        const T weight = std::exp(T(s.scale) * (score - b.largest[i]));
        b.total[i] += weight;
        for (int64_t k = 0; k < width; k += kPanel)
          for (int64_t lane = 0; lane < kPanel; ++lane)
            b.sum[i * width + k + lane] += weight * block[k * count + j * kPanel + lane];
      }
  });
}

}  // namespace

template <class T>
void pack_slot(const T* key, const T* value, int64_t positions, int64_t key_dim, int64_t value_dim,
               T* packed_key, T* packed_value) {
  parallel_for(
      round_up(positions, kMemoryBlock) / kMemoryBlock, 1, [&](int64_t begin, int64_t end) {
        const int64_t first = begin * kMemoryBlock;
        const int64_t count = std::min(end * kMemoryBlock, positions) - first;
        pack_transposed(key + first * key_dim, count, key_dim, packed_key + first * key_dim);
        pack_blocks(value + first * value_dim, count, value_dim, kMemoryBlock,
                    packed_value + first * round_up(value_dim, kPanel));
      });
}

template <class T>
void memory_read(const ReadSizes& s, const std::vector<MemoryPart<T>>& parts, const T* query, T* y,
                 T* state) {
  const int64_t width = round_up(s.value_dim, kPanel);
  int64_t positions = 0;
  for (const MemoryPart<T>& part : parts) positions += part.positions;
  const bool all = s.top_k <= 0 || s.top_k >= positions;
  parallel_for(s.queries, kQueryBlock, [&](int64_t begin, int64_t end) {
    const Scratch<T> score(kQueryBlock * kMemoryBlock), sum(kQueryBlock * width);
    const Scratch<T> numbers(3 * kQueryBlock);
    for (int64_t q = begin; q < end; q += kQueryBlock) {
      const Block<T> b{std::min(kQueryBlock, end - q),
                       score.data,
                       sum.data,
                       numbers.data,
                       numbers.data + kQueryBlock,
                       numbers.data + 2 * kQueryBlock};
      std::fill_n(b.sum, b.rows * width, T(0));
      std::fill_n(b.largest, b.rows, -std::numeric_limits<T>::infinity());
      std::fill_n(b.total, b.rows, T(0));
      std::fill_n(b.threshold, b.rows, -std::numeric_limits<T>::infinity());
      (all ? read_all<T> : read_top<T>)(s, parts, query + q * s.key_dim, b);
      for (int64_t i = 0; i < b.rows; ++i) {
        const T factor = 1 / b.total[i];
        for (int64_t k = 0; k < s.value_dim; ++k)
          y[(q + i) * s.value_dim + k] = b.sum[i * width + k] * factor;
        if (!state) continue;
        state[q + i] = b.largest[i];
        state[s.queries + q + i] = factor;
        state[2 * s.queries + q + i] = b.threshold[i];
      }
    }
  });
}

namespace {

// All that the gradients read, packed for products from both sides.
template <class T>
struct Gradients {
  Gradients(const ReadSizes& sizes, int64_t positions, const ReadTensors<T>& tensors)
      : s(sizes), p(positions), t(tensors) {}
  const ReadSizes& s;
  const int64_t p;
  const ReadTensors<T>& t;
  const int64_t dk = round_up(s.key_dim, kPanel), dv = round_up(s.value_dim, kPanel);
  const Scratch<T> key_columns{round_up(p, kPanel) * s.key_dim};         // pack_transposed
  const Scratch<T> value_columns{round_up(p, kPanel) * s.value_dim};     // pack_transposed
  const Scratch<T> key_rows{p * dk};                                     // pack_blocks of 128
  const Scratch<T> query_rows{s.queries * dk}, gy_rows{s.queries * dv};  // pack_blocks of 48

  void pack() const {
    pack_transposed(t.key, p, s.key_dim, key_columns.data);
    pack_transposed(t.value, p, s.value_dim, value_columns.data);
    pack_blocks(t.key, p, s.key_dim, kMemoryBlock, key_rows.data);
    pack_blocks(t.query, s.queries, s.key_dim, kQueryBlock, query_rows.data);
    pack_blocks(t.gy, s.queries, s.value_dim, kQueryBlock, gy_rows.data);
  }

  // weight = softmax and slope = dL/d(product) = scale * weight * (<gy, value> - <gy, y>) of the
  // queries q.. against the positions first.., both [48][128]. The products are the forward's own,
  // bit for bit: the k-th largest lies exactly on its threshold.
  void tile(int64_t q, int64_t rows, int64_t first, int64_t count, T* weight, T* slope) const {
    products(rows, s.key_dim, t.query + q * s.key_dim, key_columns.data + first * s.key_dim, count,
             weight);
    products(rows, s.value_dim, t.gy + q * s.value_dim, value_columns.data + first * s.value_dim,
             count, slope);
    for (int64_t i = 0; i < rows; ++i) {
      T *w = weight + i * kMemoryBlock, *g = slope + i * kMemoryBlock;
      const T *y = t.y + (q + i) * s.value_dim, *gy = t.gy + (q + i) * s.value_dim;
      const T factor = t.state[s.queries + q + i], threshold = t.state[2 * s.queries + q + i];
      double along = 0;
      for (int64_t k = 0; k < s.value_dim; ++k) along += double(gy[k]) * double(y[k]);
      for (int64_t j = 0; j < count; ++j)
        if (w[j] < threshold) w[j] = -std::numeric_limits<T>::infinity();
      exp_row(count, T(s.scale), t.state[q + i], w);
      for (int64_t j = 0; j < count; ++j) {
        w[j] *= factor;
        g[j] = T(s.scale) * w[j] * (g[j] - T(along));
      }
    }
  }

  void for_queries(bool first_object) const {
    parallel_for(s.queries, kQueryBlock, [&](int64_t begin, int64_t end) {
      constexpr int64_t kTile = kQueryBlock * kMemoryBlock;
      const Scratch<T> weight(kTile), slope(kTile), sum(kQueryBlock * dk);
      for (int64_t q = begin; q < end; q += kQueryBlock) {
        const int64_t rows = std::min(kQueryBlock, end - q);
        std::fill_n(sum.data, rows * dk, T(0));
        for (int64_t first = 0; first < p; first += kMemoryBlock) {
          const int64_t count = std::min(kMemoryBlock, p - first);
          tile(q, rows, first, count, weight.data, slope.data);
          accumulate(rows, count, slope.data, kMemoryBlock, key_rows.data + first * dk, dk,
                     sum.data);
        }
        for (int64_t i = 0; i < rows; ++i)
          for (int64_t k = 0; k < s.key_dim; ++k) {
            T& to = t.g_query[(q + i) * s.key_dim + k];
            to = first_object ? sum.data[i * dk + k] : to + sum.data[i * dk + k];
          }
      }
    });
  }

  void for_memory() const {
    parallel_for(p, kMemoryBlock, [&](int64_t begin, int64_t end) {
      constexpr int64_t kTile = kQueryBlock * kMemoryBlock;
      const Scratch<T> weight(kTile), slope(kTile), turned(kTile);
      const Scratch<T> g_key(kMemoryBlock * dk), g_value(kMemoryBlock * dv);
      const auto turn = [&](const T* from, int64_t rows, int64_t count) {
        for (int64_t j = 0; j < count; ++j)
          for (int64_t i = 0; i < rows; ++i)
            turned.data[j * kQueryBlock + i] = from[i * kMemoryBlock + j];
      };
      for (int64_t first = begin; first < end; first += kMemoryBlock) {
        const int64_t count = std::min(kMemoryBlock, end - first);
        std::fill_n(g_key.data, count * dk, T(0));
        std::fill_n(g_value.data, count * dv, T(0));
        for (int64_t q = 0; q < s.queries; q += kQueryBlock) {
          const int64_t rows = std::min(kQueryBlock, s.queries - q);
          tile(q, rows, first, count, weight.data, slope.data);
          turn(slope.data, rows, count);
          accumulate(count, rows, turned.data, kQueryBlock, query_rows.data + q * dk, dk,
                     g_key.data);
          turn(weight.data, rows, count);
          accumulate(count, rows, turned.data, kQueryBlock, gy_rows.data + q * dv, dv,
                     g_value.data);
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
void memory_gradients(const ReadSizes& sizes, int64_t positions, const ReadTensors<T>& tensors,
                      bool first_object) {
  const Gradients<T> gradients(sizes, positions, tensors);
  gradients.pack();
  gradients.for_queries(first_object);
  gradients.for_memory();
}

template void memory_gradients(const ReadSizes&, int64_t, const ReadTensors<float>&, bool);
template void memory_gradients(const ReadSizes&, int64_t, const ReadTensors<double>&, bool);
template void pack_slot(const float*, const float*, int64_t, int64_t, int64_t, float*, float*);
template void pack_slot(const double*, const double*, int64_t, int64_t, int64_t, double*, double*);
template void memory_read(const ReadSizes&, const std::vector<MemoryPart<float>>&, const float*,
                          float*, float*);
template void memory_read(const ReadSizes&, const std::vector<MemoryPart<double>>&, const double*,
                          double*, double*);

}  // namespace munet::cpu
