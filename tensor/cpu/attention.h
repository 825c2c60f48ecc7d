// The fused memory read: tiles of similarities go through a running softmax into the sum of values.
#pragma once

#include <cstdint>
#include <vector>

#include "tensor/cpu/panel.h"

namespace munet::cpu {

inline constexpr int64_t kMemoryBlock = 128;  // memory positions of one tile

// The memory of one object: slots, each packed by pack_slot, dk and the last block's rows rounded
// up to 8 with zeros.
template <class T>
struct MemoryPart {
  const T* key;    // [ceil(p/16)][dk][16]
  const T* value;  // [ceil(p/128)][ceil(dv/16)][rows of the block][16]
  int64_t positions;
};
inline int64_t packed_key_size(int64_t positions, int64_t key_dim) {
  return right_panels(positions, key_dim);
}
inline int64_t packed_value_size(int64_t positions, int64_t value_dim) {
  return round_up(positions, kGroup) * round_up(value_dim, kTileColumns);
}
template <class T>
void pack_slot(const T* key, const T* value, int64_t positions, int64_t key_dim, int64_t value_dim,
               T* packed_key, T* packed_value);

// y[q] = sum_p softmax_p(scale * <key[p], query[q]>) value[p] over all parts, y [q,dv].
// top_k > 0: only positions whose product is at or above the k-th largest take part.
// state: null, or three rows [q] for memory_gradients: the largest product, 1 / softmax denominator
// relative to it, and the smallest product that takes part. T is float or double; f32 error: 2e-6.
struct ReadSizes {
  int64_t queries, key_dim, value_dim;
  double scale;
  int64_t top_k;
};
template <class T>
void memory_read(const ReadSizes& sizes, const std::vector<MemoryPart<T>>& parts, const T* query,
                 T* y, T* state);

// Gradients of one object's read from gy [q,dv]; similarities are computed again, tile by tile.
// g_key and g_value are written, g_query is added to: all objects share the query. f32 error: 1e-6
// of the norm.
template <class T>
struct ReadTensors {
  const T *key, *value, *query, *y, *state, *gy;  // key [p,dk], value [p,dv]: not packed
  T *g_key, *g_value, *g_query;
};
template <class T>
void memory_gradients(const ReadSizes& sizes, int64_t positions, const ReadTensors<T>& tensors);

}  // namespace munet::cpu
