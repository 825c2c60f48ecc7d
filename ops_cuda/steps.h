// Steps: a Walk (tensor/walk.h) as a kernel needs it, element i's place found without a division.
#pragma once

#include "ops_cuda/run.h"
#include "tensor/walk.h"

namespace munet::cuda {

constexpr int kPack = 4;  // numbers that one thread takes at once where they lie together

// f(a constant): kPack if `packed`, else 1.
template <class F>
void for_pack(bool packed, F&& f) {
  if (packed)
    f(std::integral_constant<int, kPack>{});
  else
    f(std::integral_constant<int, 1>{});
}

// Where unit i of a walk lies in its two operands; a unit is `pack` elements along the inner axis.
struct Steps {
  int rank = 1;
  Divider size[Shape::kMaxRank];
  int64_t a[Shape::kMaxRank] = {}, b[Shape::kMaxRank] = {};

  Steps(const Walk& walk, int pack) : rank(walk.rank()) {
    for (int i = 0; i < rank; ++i) {
      size[i] = Divider(std::max<int64_t>(1, i ? walk.size(i) : walk.size(i) / pack));
      a[i] = walk.step_a(i) * (i ? 1 : pack);
      b[i] = walk.step_b(i) * (i ? 1 : pack);
    }
  }
  HOST_DEVICE void find(uint32_t i, int64_t& at_a, int64_t& at_b) const {
    at_a = at_b = 0;
    for (int k = 0; k + 1 < rank; ++k) {
      const int64_t index = size[k].split(i);
      at_a += index * a[k];
      at_b += index * b[k];
    }
    at_a += int64_t(i) * a[rank - 1];
    at_b += int64_t(i) * b[rank - 1];
  }
};

// Whether the walk can go in packs: along the inner axis an operand goes on by one or stays, and
// one that goes on starts each run at a multiple of the pack.
inline bool packs(const Walk& walk, int pack = kPack) {
  if (walk.size(0) % pack) return false;
  const int64_t a = walk.step_a(0), b = walk.step_b(0);
  if ((a != 0 && a != 1) || (b != 0 && b != 1)) return false;
  for (int i = 1; i < walk.rank(); ++i)
    if ((a && walk.step_a(i) % pack) || (b && walk.step_b(i) % pack)) return false;
  return true;
}

}  // namespace munet::cuda
