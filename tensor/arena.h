// Arena: memory of a GPU that stays where it is as long as a recording (replay.h) needs it.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "tensor/device.h"

namespace munet {

// While a Use lives, what its thread's tensors take on a GPU comes from the arena and goes back to
// it, for the next tensor: work that is queued again finds the same memory. Afterwards nothing is
// given out again. The blocks go when the last Use, tensor or holder of the arena does.
class Arena {
 public:
  explicit Arena(Device device) : device_(device) {}
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  class Use {
   public:
    explicit Use(std::shared_ptr<Arena> arena);
    ~Use();
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;
  };
  static const std::shared_ptr<Arena>& current();  // of this thread; null: none

  // Of at least this size, on another device's behalf never. `bytes` becomes the block's size.
  void* take(std::size_t& bytes);
  void give_back(void* block, std::size_t bytes);  // of take()

 private:
  struct Block {
    void* data;
    std::size_t bytes;
  };
  Device device_;
  bool used_ = false;
  std::vector<Block> blocks_;
  std::multimap<std::size_t, void*> free_;  // size -> block
};

}  // namespace munet
