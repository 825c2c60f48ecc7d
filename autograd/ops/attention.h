// The memory read (STM, Oh et al. 2019): space-time attention of the query frame over the memory.
#pragma once

#include "tensor/kernel.h"
#include "tensor/tensor.h"

namespace munet {

// For each object o and query position q:
//   out[o,q] = sum_p softmax_p(<key[o,p], query[q]> / sqrt(dk)) * value[o,p]
// key [n,p,dk], value [n,p,dv], query [q,dk] -> [n,q,dv]; the softmax runs over memory positions p.
// top_k > 0: only the positions at or above the k-th largest similarity take part (ties all kept).
// The memory x query matrix is never stored whole. Gradients: key, value, query.
Tensor memory_read(const Tensor& key, const Tensor& value, const Tensor& query, int top_k = 0);

// The same for a bank that is kept packed, slot by slot (one slot = one memorised frame of one
// object). No gradient: Error while recording.
struct MemorySlot {
  Tensor key, value;  // packed by pack_memory; opaque
  int64_t positions = 0, key_dim = 0, value_dim = 0;
  int64_t bytes() const { return key.bytes() + value.bytes(); }
};
// key [p,dk], value [p,dv] of one frame and object.
MemorySlot pack_memory(const Tensor& key, const Tensor& value);
// Bytes that pack_memory will take there: what a byte budget is counted in.
int64_t packed_memory_bytes(int64_t positions, int64_t key_dim, int64_t value_dim,
                            Device device = {}, DType dtype = DType::f32);
// slots of one object, at least one -> [q,dv].
Tensor memory_read(const std::vector<const MemorySlot*>& slots, const Tensor& query, int top_k = 0);

// The same for objects that remember unequally much, without a shape that tells how much: of object
// o the first used[o] >= 1 positions take part; what lies behind them is any finite numbers.
// key [n,p,dk], value [n,p,dv], used i32 [n], query [q,dk] -> [n,q,dv]. No gradient.
Tensor memory_read_padded(const Tensor& key, const Tensor& value, const Tensor& used,
                          const Tensor& query, int top_k = 0);
// One object's slots for it: one behind the other in the first rows of key [p,dk] and value [p,dv];
// the rows behind stay as they are. Only on a GPU: the CPU reads its slots where they lie.
void gather_memory(const std::vector<const MemorySlot*>& slots, const Tensor& key,
                   const Tensor& value);

namespace kernels {
// key, value, query, top_k, y, state [n,3,q] (what the gradient needs; undefined = not wanted)
extern Kernel<void(const Tensor&, const Tensor&, const Tensor&, int, const Tensor&, const Tensor&)>
    memory_read_forward;
// key, value, query, y, state, gy, gradient of key, of value, of query
extern Kernel<void(const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&,
                   const Tensor&, const Tensor&, const Tensor&, const Tensor&)>
    memory_read_backward;
// key, value, slot (its sizes are set; key and value are filled in)
extern Kernel<void(const Tensor&, const Tensor&, MemorySlot&)> pack_memory;
// slots, query, top_k, y
extern Kernel<void(const std::vector<const MemorySlot*>&, const Tensor&, int, const Tensor&)>
    memory_read_slots;
// key, value, used, query, top_k, y
extern Kernel<void(const Tensor&, const Tensor&, const Tensor&, const Tensor&, int, const Tensor&)>
    memory_read_padded;
// slots, key, value; no CPU body
extern Kernel<void(const std::vector<const MemorySlot*>&, const Tensor&, const Tensor&)>
    gather_memory;
}  // namespace kernels

}  // namespace munet
