// The slots of the memory read: what attention.cu registers, and what the host test runs. Products
// of some queries with all the memory, their softmax in place, and products with the values: the
// whole matrix is there only for as many queries as fit kMostProducts.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "autograd/ops/attention.h"
#include "ops_cuda/attention_body.h"
#include "ops_cuda/product.h"

namespace munet::cuda {

inline constexpr int64_t kMostProducts = int64_t{1} << 24;  // 64 MiB of f32

struct ReadSizes {
  int64_t positions, queries, key_dim, value_dim;
  int top_k;
  // Queries that are computed together.
  int64_t run() const {
    return std::clamp<int64_t>(kMostProducts / positions, 1, std::max<int64_t>(queries, 1));
  }
  double scale() const { return 1 / std::sqrt(double(key_dim)); }
};

// One object's read; state: null, or three planes of `queries` numbers; used: as in ReadRows.
template <class Run, class T>
void read_object(const ReadSizes& s, Device device, const T* key, const T* value, const T* query,
                 T* y, Compute<T>* state, const int32_t* used = nullptr) {
  using Sum = Compute<T>;
  const DType type = dtype_of<T>, sums = dtype_of<Sum>;
  const Tensor products = Tensor::empty({s.run(), s.positions}, sums, device);
  const Tensor weights = type == sums ? products : Tensor::empty(products.shape(), type, device);
  for (int64_t q = 0; q < s.queries; q += s.run()) {
    const int64_t rows = std::min(s.run(), s.queries - q);
    multiply(Run{}, {.m = rows,
                     .n = s.positions,
                     .k = s.key_dim,
                     .transpose_b = true,
                     .in = type,
                     .out = sums,
                     .a = query + q * s.key_dim,
                     .b = key,
                     .c = products.raw(),
                     .device = device});
    Run::blocks("memory_read", rows,
                SoftmaxRows<T>{{s.positions, s.positions, s.scale(), s.top_k, used},
                               products.data<Sum>(),
                               weights.data<T>(),
                               state ? state + q : nullptr,
                               s.queries});
    multiply(Run{}, {.m = rows,
                     .n = s.value_dim,
                     .k = s.positions,
                     .in = type,
                     .out = type,
                     .a = weights.raw(),
                     .b = value,
                     .c = y + q * s.value_dim,
                     .device = device});
  }
}

template <class Run>
void read_objects(const Tensor& key, const Tensor& value, const Tensor& query, int top_k,
                  const Tensor& y, const Tensor& state, const Tensor& used) {
  const ReadSizes s{key.dim(1), query.dim(0), key.dim(2), value.dim(2), top_k};
  for_stored(key.dtype(), "memory_read", [&](auto zero) {
    using T = decltype(zero);
    for (int64_t o = 0; o < key.dim(0); ++o)
      read_object<Run, T>(s, key.device(), key.data<T>() + o * s.positions * s.key_dim,
                          value.data<T>() + o * s.positions * s.value_dim, query.data<T>(),
                          y.data<T>() + o * s.queries * s.value_dim,
                          state ? state.data<Compute<T>>() + o * 3 * s.queries : nullptr,
                          used ? used.data<int32_t>() + o : nullptr);
  });
}

template <class Run>
void memory_read_forward(const Tensor& key, const Tensor& value, const Tensor& query, int top_k,
                         const Tensor& y, const Tensor& state) {
  read_objects<Run>(key, value, query, top_k, y, state, {});
}

template <class Run>
void memory_read_padded(const Tensor& key, const Tensor& value, const Tensor& used,
                        const Tensor& query, int top_k, const Tensor& y) {
  read_objects<Run>(key, value, query, top_k, y, {}, used);
}

// Of one object: g_key and g_value are written, g_query is added to unless `first`.
template <class Run, class T>
struct ReadGradients {
  const T *key, *value, *query, *y;
  const Compute<T>* state;
  const T* gy;
  T *g_key, *g_value, *g_query;

  void operator()(const ReadSizes& s, Device device, bool first) const {
    using Sum = Compute<T>;
    const DType type = dtype_of<T>, sums = dtype_of<Sum>;
    const Tensor along = Tensor::empty({s.queries}, sums, device);
    Run::blocks("memory_read_along", blocks_for(s.queries, RowDots<T>::kRows),
                RowDots<T>{s.queries, s.value_dim, gy, y, along.data<Sum>()});
    const Tensor products = Tensor::empty({s.run(), s.positions}, sums, device);
    const Tensor g_weights = Tensor::empty({s.run(), s.positions}, sums, device);
    const bool same = type == sums;
    const Tensor weights = same ? products : Tensor::empty(products.shape(), type, device);
    const Tensor slopes = same ? g_weights : Tensor::empty(products.shape(), type, device);
    for (int64_t q = 0; q < s.queries; q += s.run()) {
      const int64_t rows = std::min(s.run(), s.queries - q);
      const T *const asked = query + q * s.key_dim, *const g = gy + q * s.value_dim;
      const double so_far = q ? 1 : 0;
      // The forward pass's own products, bit for bit: the k-th largest lies on its threshold.
      multiply(Run{}, {.m = rows,
                       .n = s.positions,
                       .k = s.key_dim,
                       .transpose_b = true,
                       .in = type,
                       .out = sums,
                       .a = asked,
                       .b = key,
                       .c = products.raw(),
                       .device = device});
      multiply(Run{}, {.m = rows,
                       .n = s.positions,
                       .k = s.value_dim,
                       .transpose_b = true,
                       .in = type,
                       .out = sums,
                       .a = g,
                       .b = value,
                       .c = g_weights.raw(),
                       .device = device});
      Run::loop("memory_read_slopes", rows * s.positions,
                ReadSlopes<T>{s.scale(), Divider(s.positions), products.data<Sum>(),
                              g_weights.data<Sum>(), state + q, s.queries, along.data<Sum>() + q,
                              weights.data<T>(), slopes.data<T>()});
      multiply(Run{}, {.m = s.positions,
                       .n = s.value_dim,
                       .k = rows,
                       .transpose_a = true,
                       .beta = so_far,
                       .in = type,
                       .out = type,
                       .a = weights.raw(),
                       .b = g,
                       .c = g_value,
                       .device = device});
      multiply(Run{}, {.m = s.positions,
                       .n = s.key_dim,
                       .k = rows,
                       .transpose_a = true,
                       .beta = so_far,
                       .in = type,
                       .out = type,
                       .a = slopes.raw(),
                       .b = asked,
                       .c = g_key,
                       .device = device});
      multiply(Run{}, {.m = rows,
                       .n = s.key_dim,
                       .k = s.positions,
                       .beta = first ? 0.0 : 1.0,
                       .in = type,
                       .out = type,
                       .a = slopes.raw(),
                       .b = key,
                       .c = g_query + q * s.key_dim,
                       .device = device});
    }
  }
};

template <class Run>
void memory_read_backward(const Tensor& key, const Tensor& value, const Tensor& query,
                          const Tensor& y, const Tensor& state, const Tensor& gy,
                          const Tensor& g_key, const Tensor& g_value, const Tensor& g_query) {
  const ReadSizes s{key.dim(1), query.dim(0), key.dim(2), value.dim(2), 0};
  for_stored(key.dtype(), "memory_read", [&](auto zero) {
    using T = decltype(zero);
    for (int64_t o = 0; o < key.dim(0); ++o) {
      const int64_t k = o * s.positions * s.key_dim, v = o * s.positions * s.value_dim;
      const int64_t r = o * s.queries * s.value_dim;
      const ReadGradients<Run, T> gradients{key.data<T>() + k,
                                            value.data<T>() + v,
                                            query.data<T>(),
                                            y.data<T>() + r,
                                            state.data<Compute<T>>() + o * 3 * s.queries,
                                            gy.data<T>() + r,
                                            g_key.data<T>() + k,
                                            g_value.data<T>() + v,
                                            g_query.data<T>()};
      gradients(s, key.device(), o == 0);
    }
  });
}

// Slots of a GPU are plain copies on it: [p,dk] and [p,dv].
inline void pack_memory(const Tensor& key, const Tensor& value, MemorySlot& slot) {
  slot.key = key.clone();
  slot.value = value.clone();
}

struct alignas(16) Wide {
  char bytes[16];
};

// runs -> to, one behind the other.
template <class Run>
void gather(const std::vector<Tensor>& runs, const Tensor& to) {
  const auto copy = [&](auto unit) {
    using Unit = decltype(unit);
    using Body = GatherSlots<Unit>;
    Unit* next = static_cast<Unit*>(to.raw());
    for (std::size_t i = 0; i < runs.size(); i += Body::kSlots) {
      Body body{};
      int64_t size = 0;
      for (std::size_t j = i; j < std::min(runs.size(), i + Body::kSlots); ++j) {
        body.from[j - i] = static_cast<const Unit*>(runs[j].raw());
        body.first[j - i] = size;
        size += runs[j].bytes() / int64_t(sizeof(Unit));
        ++body.slots;
      }
      body.to = next;
      Run::loop("memory_read_gather", size, body);
      next += size;
    }
  };
  const bool wide = std::all_of(runs.begin(), runs.end(), [](const Tensor& run) {
    return run.bytes() % 16 == 0 && aligned(16, static_cast<const char*>(run.raw()));
  });
  if (wide)
    copy(Wide{});
  else
    copy(uint16_t{});
}

template <class Run>
void gather_memory(const std::vector<const MemorySlot*>& slots, const Tensor& key,
                   const Tensor& value) {
  std::vector<Tensor> keys, values;
  for (const MemorySlot* slot : slots) {
    check<DTypeError>(slot->key.dtype() == key.dtype(), "memory_read: the slots are ",
                      slot->key.dtype(), " but the query is ", key.dtype());
    keys.push_back(slot->key);
    values.push_back(slot->value);
  }
  gather<Run>(keys, key);
  gather<Run>(values, value);
}

template <class Run>
void memory_read_slots(const std::vector<const MemorySlot*>& slots, const Tensor& query, int top_k,
                       const Tensor& y) {
  ReadSizes s{0, query.dim(0), query.dim(1), y.dim(1), top_k};
  for (const MemorySlot* slot : slots) s.positions += slot->positions;
  const Tensor key = Tensor::empty({s.positions, s.key_dim}, query.dtype(), query.device());
  const Tensor value = Tensor::empty({s.positions, s.value_dim}, query.dtype(), query.device());
  gather_memory<Run>(slots, key, value);
  for_stored(query.dtype(), "memory_read", [&](auto zero) {
    using T = decltype(zero);
    read_object<Run, T>(s, query.device(), key.data<T>(), value.data<T>(), query.data<T>(),
                        y.data<T>(), nullptr);
  });
}

// Sets the slots of the memory read: set(kernel, body).
template <class Run, class Set>
void attention_twins(Set set) {
  set(kernels::memory_read_forward, memory_read_forward<Run>);
  set(kernels::memory_read_backward, memory_read_backward<Run>);
  set(kernels::pack_memory, pack_memory);
  set(kernels::memory_read_slots, memory_read_slots<Run>);
  set(kernels::memory_read_padded, memory_read_padded<Run>);
  set(kernels::gather_memory, gather_memory<Run>);
}

}  // namespace munet::cuda
