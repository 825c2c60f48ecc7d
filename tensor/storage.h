// Storage: a run of bytes on one device. CPU bytes come from a free-list cache, so that a network
// run in a loop asks the system for memory only in its first round.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "tensor/device.h"

namespace munet {

class Arena;  // arena.h

class Storage {
 public:
  // Uninitialised bytes, 64-byte aligned; std::bad_alloc when memory is short even after the cache
  // has been emptied. With MUNET_POISON (test builds) they are filled with NaN bits and a guard
  // behind them is checked on release: an unwritten output or an overrun fails a test.
  Storage(std::size_t bytes, Device device);
  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  void* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }
  Device device() const { return device_; }
  bool in_arena() const { return arena_ != nullptr; }

 private:
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
  std::size_t capacity_ = 0;  // what the cache or the arena gave: at least bytes_
  Device device_;
  std::shared_ptr<Arena> arena_;  // whose memory it is; null: the device's own
};

// Memory of this process's CPU tensors, in bytes. Thread-safe.
namespace memory {
std::size_t active();     // held by live tensors
std::size_t peak();       // the largest `active` since the start or reset_peak
std::size_t cached();     // kept for reuse
int64_t live_storages();  // how many Storage objects exist: a leak check's counter
void reset_peak();
void clear();  // gives the cached bytes back to the system
}  // namespace memory

}  // namespace munet
