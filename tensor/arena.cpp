#include "tensor/arena.h"

#include <algorithm>

#include "tensor/error.h"

namespace munet {
namespace {

thread_local std::shared_ptr<Arena> in_use;

}  // namespace

const std::shared_ptr<Arena>& Arena::current() { return in_use; }

Arena::Use::Use(std::shared_ptr<Arena> arena) {
  check(!in_use, "arena: one is in use already: recordings do not nest");
  arena->used_ = true;
  in_use = std::move(arena);
}

Arena::Use::~Use() {
  in_use->used_ = false;
  in_use->free_.clear();
  in_use.reset();
}

Arena::~Arena() {
  for (const Block& block : blocks_) cuda_backend().release(device_, block.data, block.bytes);
}

// Best fit, accepted up to a quarter more than asked, as the CPU's cache does.
void* Arena::take(std::size_t& bytes) {
  const auto found = free_.lower_bound(bytes);
  if (found != free_.end() && found->first <= bytes + std::max<std::size_t>(bytes / 4, 4096)) {
    const auto [size, block] = *found;
    free_.erase(found);
    bytes = size;
    return block;
  }
  blocks_.push_back({cuda_backend().allocate(device_, bytes), bytes});
  return blocks_.back().data;
}

void Arena::give_back(void* block, std::size_t bytes) {
  if (used_) free_.emplace(bytes, block);
}

}  // namespace munet
