#include "tensor/storage.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <new>

#include "tensor/arena.h"

namespace munet {
namespace {

constexpr std::size_t kAlign = 64, kHugePage = std::size_t{2} << 20;
#ifdef MUNET_POISON
constexpr std::size_t kGuard = 64;
#else
constexpr std::size_t kGuard = 0;
#endif
constexpr unsigned char kGuardByte = 0xA5, kPoisonByte = 0xFF;  // 0xFFFFFFFF is a NaN

struct Cache {
  std::mutex mutex;
  std::multimap<std::size_t, void*> free;  // capacity -> block
  std::size_t active = 0, peak = 0, cached = 0;
  int64_t live = 0;

  void clear() {  // mutex held
    for (auto& [capacity, block] : free) std::free(block);
    free.clear();
    cached = 0;
  }
};

Cache& cache() {
  static Cache* instance = new Cache;  // never destroyed: tensors with static life outlast it
  return *instance;
}

// Null if memory is short. Larger blocks lie on huge pages where the system has them: fresh memory
// is then there after one fault per 2 MiB instead of 512, and the processor finds it by fewer
// lookups.
void* allocate(std::size_t capacity) {
  void* block = nullptr;
  const bool huge = capacity >= 2 * kHugePage;
  if (posix_memalign(&block, huge ? kHugePage : kAlign, capacity) != 0) return nullptr;
  if (huge) madvise(block, capacity / kHugePage * kHugePage, MADV_HUGEPAGE);  // only advice
  return block;
}

// Best fit, accepted up to a quarter more than asked (or 4 KiB): a looser rule keeps big blocks
// busy with small tensors and makes the next big one grow the process.
void* take(Cache& c, std::size_t& capacity) {
  const auto found = c.free.lower_bound(capacity);
  if (found != c.free.end() &&
      found->first <= capacity + std::max<std::size_t>(capacity / 4, 4096)) {
    void* block = found->second;
    capacity = found->first;
    c.cached -= capacity;
    c.free.erase(found);
    return block;
  }
  void* block = allocate(capacity);
  if (!block) {
    c.clear();
    block = allocate(capacity);
  }
  if (!block) throw std::bad_alloc();
  return block;
}

}  // namespace

Storage::Storage(std::size_t bytes, Device device) : bytes_(bytes), device_(device) {
  if (device.kind != Device::cpu) {
    arena_ = Arena::current();
    capacity_ = bytes;
    data_ = arena_ ? arena_->take(capacity_) : cuda_backend().allocate(device, bytes);
    return;
  }
  capacity_ = std::max((bytes + kGuard + kAlign - 1) / kAlign * kAlign, kAlign);
  Cache& c = cache();
  {
    std::lock_guard lock(c.mutex);
    data_ = take(c, capacity_);
    c.active += capacity_;
    c.peak = std::max(c.peak, c.active);
    ++c.live;
  }
#ifdef MUNET_POISON
  std::memset(data_, kPoisonByte, bytes_);
  std::memset(static_cast<unsigned char*>(data_) + bytes_, kGuardByte, kGuard);
#endif
}

Storage::~Storage() {
  if (device_.kind != Device::cpu) {
    if (arena_)
      arena_->give_back(data_, capacity_);
    else
      cuda_backend().release(device_, data_, bytes_);
    return;
  }
#ifdef MUNET_POISON
  const unsigned char* guard = static_cast<unsigned char*>(data_) + bytes_;
  if (std::any_of(guard, guard + kGuard, [](unsigned char b) { return b != kGuardByte; })) {
    std::fprintf(stderr, "munet: a kernel wrote behind a tensor of %zu bytes\n", bytes_);
    std::abort();  // test builds only: a destructor cannot throw
  }
#endif
  Cache& c = cache();
  std::lock_guard lock(c.mutex);
  c.free.emplace(capacity_, data_);
  c.active -= capacity_;
  c.cached += capacity_;
  --c.live;
}

namespace memory {

std::size_t active() { return std::lock_guard(cache().mutex), cache().active; }
std::size_t peak() { return std::lock_guard(cache().mutex), cache().peak; }
std::size_t cached() { return std::lock_guard(cache().mutex), cache().cached; }
int64_t live_storages() { return std::lock_guard(cache().mutex), cache().live; }
void reset_peak() {
  std::lock_guard lock(cache().mutex);
  cache().peak = cache().active;
}
void clear() {
  std::lock_guard lock(cache().mutex);
  cache().clear();
}

}  // namespace memory
}  // namespace munet
