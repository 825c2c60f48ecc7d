// The memory read: checks, packing and recording; the numerics are in tensor/cpu/attention.h.
#include "autograd/ops/attention.h"

#include <algorithm>
#include <cmath>

#include "autograd/node.h"
#include "tensor/cpu/attention.h"

namespace munet {
namespace kernels {
namespace {

cpu::ReadSizes sizes(const Tensor& query, int64_t value_dim, int top_k) {
  return {query.dim(0), query.dim(1), value_dim, 1 / std::sqrt(double(query.dim(1))), top_k};
}

void memory_read_forward_cpu(const Tensor& key, const Tensor& value, const Tensor& query, int top_k,
                             const Tensor& y, const Tensor& state) {
  const int64_t p = key.dim(1), dk = key.dim(2), dv = value.dim(2), q = query.dim(0);
  for_float(key.dtype(), "memory_read", [&](auto zero) {
    using T = decltype(zero);
    const cpu::Scratch<T> packed_key(cpu::packed_key_size(p, dk));
    const cpu::Scratch<T> packed_value(cpu::packed_value_size(p, dv));
    for (int64_t o = 0; o < key.dim(0); ++o) {
      cpu::pack_slot(key.data<T>() + o * p * dk, value.data<T>() + o * p * dv, p, dk, dv,
                     packed_key.data, packed_value.data);
      cpu::memory_read<T>(sizes(query, dv, top_k), {{packed_key.data, packed_value.data, p}},
                          query.data<T>(), y.data<T>() + o * q * dv,
                          state ? state.data<T>() + o * 3 * q : nullptr);
    }
  });
}

void memory_read_backward_cpu(const Tensor& key, const Tensor& value, const Tensor& query,
                              const Tensor& y, const Tensor& state, const Tensor& gy,
                              const Tensor& g_key, const Tensor& g_value, const Tensor& g_query) {
  const int64_t p = key.dim(1), dk = key.dim(2), dv = value.dim(2), q = query.dim(0);
  for_float(key.dtype(), "memory_read", [&](auto zero) {
    using T = decltype(zero);
    std::fill_n(g_query.data<T>(), g_query.numel(), T(0));
    for (int64_t o = 0; o < key.dim(0); ++o) {
      const int64_t k = o * p * dk, v = o * p * dv, r = o * q * dv;
      cpu::memory_gradients<T>(sizes(query, dv, 0), p,
                               {key.data<T>() + k, value.data<T>() + v, query.data<T>(),
                                y.data<T>() + r, state.data<T>() + o * 3 * q, gy.data<T>() + r,
                                g_key.data<T>() + k, g_value.data<T>() + v, g_query.data<T>()});
    }
  });
}

void pack_memory_cpu(const Tensor& key, const Tensor& value, MemorySlot& slot) {
  check<DTypeError>(key.dtype() == DType::f32, "pack_memory: expected f32 on the CPU; given ",
                    key.dtype());
  const int64_t p = slot.positions, dk = slot.key_dim, dv = slot.value_dim;
  slot.key = Tensor::empty({cpu::packed_key_size(p, dk)});
  slot.value = Tensor::empty({cpu::packed_value_size(p, dv)});
  cpu::pack_slot(key.data<float>(), value.data<float>(), p, dk, dv, slot.key.data<float>(),
                 slot.value.data<float>());
}

void memory_read_slots_cpu(const std::vector<const MemorySlot*>& slots, const Tensor& query,
                           int top_k, const Tensor& y) {
  check<DTypeError>(query.dtype() == DType::f32, "memory_read: expected an f32 query; given ",
                    query.dtype());
  std::vector<cpu::MemoryPart<float>> parts;
  for (const MemorySlot* slot : slots)
    parts.push_back({slot->key.data<float>(), slot->value.data<float>(), slot->positions});
  cpu::memory_read(sizes(query, y.dim(1), top_k), parts, query.data<float>(), y.data<float>(),
                   static_cast<float*>(nullptr));
}

void memory_read_padded_cpu(const Tensor& key, const Tensor& value, const Tensor& used,
                            const Tensor& query, int top_k, const Tensor& y) {
  const auto part = [&](const Tensor& x, int64_t o) {
    const int64_t size = x.dim(2), p = used.data<int32_t>()[o];
    return x.rows(o, 1).view({x.dim(1), size}).rows(0, p).view({1, p, size});
  };
  for (int64_t o = 0; o < key.dim(0); ++o)
    memory_read_forward_cpu(part(key, o), part(value, o), query, top_k, y.rows(o, 1), {});
}

}  // namespace

Kernel<void(const Tensor&, const Tensor&, const Tensor&, int, const Tensor&, const Tensor&)>
    memory_read_forward{"memory_read_forward", memory_read_forward_cpu};
Kernel<void(const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&,
            const Tensor&, const Tensor&, const Tensor&, const Tensor&)>
    memory_read_backward{"memory_read_backward", memory_read_backward_cpu};
Kernel<void(const Tensor&, const Tensor&, MemorySlot&)> pack_memory{"pack_memory", pack_memory_cpu};
Kernel<void(const std::vector<const MemorySlot*>&, const Tensor&, int, const Tensor&)>
    memory_read_slots{"memory_read_slots", memory_read_slots_cpu};
Kernel<void(const Tensor&, const Tensor&, const Tensor&, const Tensor&, int, const Tensor&)>
    memory_read_padded{"memory_read_padded", memory_read_padded_cpu};
Kernel<void(const std::vector<const MemorySlot*>&, const Tensor&, const Tensor&)> gather_memory{
    "gather_memory"};

}  // namespace kernels

namespace {

void check_read(const char* op, const Tensor& key, const Tensor& value, const Tensor& query,
                int top_k) {
  check<ShapeError>(key.rank() == 3 && value.rank() == 3 && query.rank() == 2 &&
                        key.dim(0) == value.dim(0) && key.dim(1) == value.dim(1) &&
                        key.dim(2) == query.dim(1) && key.dim(1) > 0 && key.dim(2) > 0,
                    op, ": expected key [n,p,dk], value [n,p,dv], query [q,dk], p and dk > 0; ",
                    "given ", key.shape(), ", ", value.shape(), ", ", query.shape());
  check<DTypeError>(key.dtype() == value.dtype() && key.dtype() == query.dtype(), op,
                    ": expected one type; given key ", key.dtype(), ", value ", value.dtype(),
                    ", query ", query.dtype());
  check<DeviceError>(key.device() == value.device() && key.device() == query.device(), op,
                     ": expected one device; given key ", key.device(), ", value ", value.device(),
                     ", query ", query.device());
  check(top_k >= 0, op, ": expected top_k >= 0 (0 = all); given ", top_k);
}

}  // namespace

Tensor memory_read(const Tensor& key, const Tensor& value, const Tensor& query, int top_k) {
  check_read("memory_read", key, value, query, top_k);
  const Device device = key.device();
  Tensor y = Tensor::empty({key.dim(0), query.dim(0), value.dim(2)}, key.dtype(), device), state;
  if (recording(key, value, query))  // sums and exponents are f32 for half types too
    state = Tensor::empty({key.dim(0), 3, query.dim(0)},
                          key.dtype() == DType::f64 ? DType::f64 : DType::f32, device);
  kernels::memory_read_forward(device, key, value, query, top_k, y, state);
  if (!state) return y;
  return record(y, "memory_read", {key, value, query},
                [key = key.detach(), value = value.detach(), query = query.detach(), y = y.detach(),
                 state](const Tensor& gy) -> Tensors {
                  const Device device = key.device();
                  Tensor g_key = Tensor::empty(key.shape(), key.dtype(), device);
                  Tensor g_value = Tensor::empty(value.shape(), key.dtype(), device);
                  Tensor g_query = Tensor::empty(query.shape(), key.dtype(), device);
                  kernels::memory_read_backward(device, key, value, query, y, state, gy, g_key,
                                                g_value, g_query);
                  return {g_key, g_value, g_query};
                });
}

MemorySlot pack_memory(const Tensor& key, const Tensor& value) {
  check<ShapeError>(key.rank() == 2 && value.rank() == 2 && key.dim(0) == value.dim(0) &&
                        key.dim(0) > 0 && key.dim(1) > 0,
                    "pack_memory: expected key [p,dk] and value [p,dv], p and dk > 0; given ",
                    key.shape(), " and ", value.shape());
  check<DTypeError>(key.dtype() == value.dtype(), "pack_memory: expected one type; given key ",
                    key.dtype(), ", value ", value.dtype());
  check<DeviceError>(key.device() == value.device(), "pack_memory: expected one device; given key ",
                     key.device(), ", value ", value.device());
  check(!recording(key, value), "pack_memory: has no gradient; use it under NoGrad");
  MemorySlot slot;
  slot.positions = key.dim(0);
  slot.key_dim = key.dim(1);
  slot.value_dim = value.dim(1);
  kernels::pack_memory(key.device(), key, value, slot);
  return slot;
}

int64_t packed_memory_bytes(int64_t positions, int64_t key_dim, int64_t value_dim, Device device,
                            DType dtype) {
  if (device.kind != Device::cpu) return positions * (key_dim + value_dim) * size_of(dtype);
  return (cpu::packed_key_size(positions, key_dim) + cpu::packed_value_size(positions, value_dim)) *
         size_of(DType::f32);
}

Tensor memory_read(const std::vector<const MemorySlot*>& slots, const Tensor& query, int top_k) {
  check(!slots.empty(), "memory_read: expected at least one slot; given none");
  const MemorySlot& first = *slots.front();
  for (const MemorySlot* slot : slots)
    check<ShapeError>(slot->key_dim == first.key_dim && slot->value_dim == first.value_dim,
                      "memory_read: expected slots of one key and value size; given ",
                      first.key_dim, ", ", first.value_dim, " and ", slot->key_dim, ", ",
                      slot->value_dim);
  for (const MemorySlot* slot : slots)
    check<DeviceError>(slot->key.device() == query.device(), "memory_read: the query is on ",
                       query.device(), ", a slot on ", slot->key.device());
  check<ShapeError>(query.rank() == 2 && query.dim(1) == first.key_dim,
                    "memory_read: expected query [q,", first.key_dim, "]; given ", query.shape());
  check(top_k >= 0, "memory_read: expected top_k >= 0 (0 = all); given ", top_k);
  check(!recording(query), "memory_read: packed slots have no gradient; use it under NoGrad");
  Tensor y = Tensor::empty({query.dim(0), first.value_dim}, query.dtype(), query.device());
  kernels::memory_read_slots(query.device(), slots, query, top_k, y);
  return y;
}

Tensor memory_read_padded(const Tensor& key, const Tensor& value, const Tensor& used,
                          const Tensor& query, int top_k) {
  check_read("memory_read_padded", key, value, query, top_k);
  check<ShapeError>(used.shape() == Shape{key.dim(0)} && used.dtype() == DType::i32,
                    "memory_read_padded: expected used i32 [", key.dim(0), "]; given ",
                    used.dtype(), ' ', used.shape());
  check<DeviceError>(used.device() == key.device(),
                     "memory_read_padded: expected one device; given key ", key.device(), ", used ",
                     used.device());
  check(!recording(key, value, query), "memory_read_padded: has no gradient; use it under NoGrad");
  Tensor y = Tensor::empty({key.dim(0), query.dim(0), value.dim(2)}, key.dtype(), key.device());
  kernels::memory_read_padded(key.device(), key, value, used, query, top_k, y);
  return y;
}

void gather_memory(const std::vector<const MemorySlot*>& slots, const Tensor& key,
                   const Tensor& value) {
  int64_t positions = 0;
  for (const MemorySlot* slot : slots) {
    check<ShapeError>(slot->key_dim == key.dim(-1) && slot->value_dim == value.dim(-1),
                      "gather_memory: expected slots of the rows' sizes; given ", slot->key_dim,
                      ", ", slot->value_dim, " and ", key.shape(), ", ", value.shape());
    positions += slot->positions;
  }
  check<ShapeError>(key.rank() == 2 && value.rank() == 2 && key.dim(0) == value.dim(0) &&
                        positions <= key.dim(0) && positions > 0,
                    "gather_memory: expected key [p,dk] and value [p,dv] with room for ", positions,
                    " positions; given ", key.shape(), " and ", value.shape());
  kernels::gather_memory(key.device(), slots, key, value);
}

}  // namespace munet
