// MemoryBank: which frames each object remembers, under one budget of bytes (network.md 6).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "autograd/ops/attention.h"

namespace munet {

struct BudgetError : Error {  // what must be remembered does not fit
  using Error::Error;
};

struct MemoryPolicy {
  // stm: every `every`-th frame of the video, and the previous one for one read (Oh et al. 2019).
  // fifo: the last `last` frames. Both: given masks are permanent, and when the budget is full each
  // object forgets its oldest frame that is not.
  std::string kind = "stm";
  int every = 5;
  int last = 5;
  std::size_t budget = std::size_t{1} << 30;  // bytes of keys and values, all objects together
};

class MemoryBank {
 public:
  explicit MemoryBank(MemoryPolicy policy = {});  // Error on an unknown kind, every < 1 or last < 1

  // BudgetError that names the bytes needed unless the permanent frames (those here and
  // `new_permanent` more) and one previous frame for each of `objects` objects fit the budget.
  void check_room(std::size_t slot_bytes, int64_t new_permanent, int64_t objects) const;

  // Makes room for one more slot per object; then add() one for each.
  void make_room(std::size_t slot_bytes, int64_t slots);
  void add(int id, int64_t frame, bool permanent, MemorySlot slot);

  // After the read of the frame that followed: what the policy does not keep is forgotten.
  void forget_transient();
  void remove(int id);
  void clear();

  std::vector<const MemorySlot*> slots(int id) const;  // empty for an unknown object
  int64_t frames(int id) const { return int64_t(slots(id).size()); }
  std::size_t bytes(int id) const;
  std::size_t bytes() const { return bytes_; }

  // All that is remembered as named tensors on the CPU in f32, and back into an empty bank of slots
  // on a device, of a type. Error if a tensor is missing or has another size: slots are packed
  // differently on a CPU and on a GPU.
  void save(std::map<std::string, Tensor>& tensors) const;
  void load(const std::map<std::string, Tensor>& tensors, Device device = {},
            DType dtype = DType::f32);

 private:
  struct Entry {
    int64_t frame;
    bool permanent;
    MemorySlot slot;
  };
  bool forget_oldest(std::vector<Entry>& entries);
  void erase(std::vector<Entry>& entries, std::size_t i);

  MemoryPolicy policy_;
  std::map<int, std::vector<Entry>> objects_;  // entries in the order of their frames
  std::size_t bytes_ = 0;
};

}  // namespace munet
