#include "munet/memory_bank.h"

#include <algorithm>

namespace munet {

MemoryBank::MemoryBank(MemoryPolicy policy) : policy_(std::move(policy)) {
  check(policy_.kind == "stm" || policy_.kind == "fifo",
        "memory: expected policy stm or fifo; given '", policy_.kind, "'");
  check(policy_.every >= 1, "memory: expected every >= 1 frames; given ", policy_.every);
  check(policy_.last >= 1, "memory: expected last >= 1 frames; given ", policy_.last);
}

void MemoryBank::check_room(std::size_t slot_bytes, int64_t new_permanent, int64_t objects) const {
  int64_t permanent = new_permanent;
  for (const auto& [id, entries] : objects_)
    permanent +=
        std::count_if(entries.begin(), entries.end(), [](const Entry& e) { return e.permanent; });
  const std::size_t needed = std::size_t(permanent + objects) * slot_bytes;
  check<BudgetError>(needed <= policy_.budget, "memory: the budget is ", policy_.budget, " bytes; ",
                     permanent, permanent == 1 ? " given mask" : " given masks",
                     " and the previous frame of ", objects, objects == 1 ? " object" : " objects",
                     " need ", needed,
                     " at this frame size; raise the budget or reduce the frames");
}

void MemoryBank::make_room(std::size_t slot_bytes, int64_t slots) {
  bool forgotten = true;
  while (bytes_ + std::size_t(slots) * slot_bytes > policy_.budget && forgotten) {
    forgotten = false;
    for (auto& [id, entries] : objects_) forgotten |= forget_oldest(entries);
  }
}

void MemoryBank::add(int id, int64_t frame, bool permanent, MemorySlot slot) {
  bytes_ += std::size_t(slot.bytes());
  std::vector<Entry>& entries = objects_[id];
  entries.push_back({frame, permanent, std::move(slot)});
  if (policy_.kind != "fifo") return;
  const auto passing = [&] {
    return std::count_if(entries.begin(), entries.end(),
                         [](const Entry& e) { return !e.permanent; });
  };
  while (passing() > policy_.last) forget_oldest(entries);
}

void MemoryBank::forget_transient() {
  if (policy_.kind == "fifo") return;
  for (auto& [id, entries] : objects_) {
    // Only the newest can be one that was kept for a single read.
    if (entries.empty() || entries.back().permanent) continue;
    if (entries.back().frame % policy_.every != 0) erase(entries, entries.size() - 1);
  }
}

void MemoryBank::remove(int id) {
  bytes_ -= bytes(id);
  objects_.erase(id);
}

void MemoryBank::clear() {
  objects_.clear();
  bytes_ = 0;
}

std::vector<const MemorySlot*> MemoryBank::slots(int id) const {
  std::vector<const MemorySlot*> all;
  const auto found = objects_.find(id);
  if (found != objects_.end())
    for (const Entry& e : found->second) all.push_back(&e.slot);
  return all;
}

std::size_t MemoryBank::bytes(int id) const {
  std::size_t total = 0;
  for (const MemorySlot* slot : slots(id)) total += std::size_t(slot->bytes());
  return total;
}

bool MemoryBank::forget_oldest(std::vector<Entry>& entries) {
  const auto oldest =
      std::find_if(entries.begin(), entries.end(), [](const Entry& e) { return !e.permanent; });
  if (oldest == entries.end()) return false;
  erase(entries, std::size_t(oldest - entries.begin()));
  return true;
}

void MemoryBank::erase(std::vector<Entry>& entries, std::size_t i) {
  bytes_ -= std::size_t(entries[i].slot.bytes());
  entries.erase(entries.begin() + std::ptrdiff_t(i));
}

// "bank.ID.N.key", ".value" and ".entry": frame, permanent, positions, key and value dimension.
void MemoryBank::save(std::map<std::string, Tensor>& tensors) const {
  for (const auto& [id, entries] : objects_)
    for (std::size_t i = 0; i < entries.size(); ++i) {
      const Entry& e = entries[i];
      const std::string name = str("bank.", id, ".", i, ".");
      tensors[name + "key"] = e.slot.key.to(Device{}).to(DType::f32);
      tensors[name + "value"] = e.slot.value.to(Device{}).to(DType::f32);
      tensors[name + "entry"] = Tensor::from<int64_t>(
          {e.frame, e.permanent, e.slot.positions, e.slot.key_dim, e.slot.value_dim}, {5});
    }
}

void MemoryBank::load(const std::map<std::string, Tensor>& tensors, Device device, DType dtype) {
  for (int id = 1; id < 255; ++id)
    for (int i = 0; tensors.count(str("bank.", id, ".", i, ".entry")); ++i) {
      const std::string name = str("bank.", id, ".", i, ".");
      const std::vector<int64_t> entry = tensors.at(name + "entry").to_vector<int64_t>();
      const auto key = tensors.find(name + "key"), value = tensors.find(name + "value");
      check(entry.size() == 5 && key != tensors.end() && value != tensors.end(),
            "memory: expected ", name, "key, value and entry of 5; found less");
      MemorySlot slot{key->second.to(dtype).to(device), value->second.to(dtype).to(device),
                      entry[2], entry[3], entry[4]};
      check(slot.bytes() ==
                packed_memory_bytes(slot.positions, slot.key_dim, slot.value_dim, device, dtype),
            "memory: ", name, "key and value have the wrong size");
      bytes_ += std::size_t(slot.bytes());
      objects_[id].push_back({entry[0], entry[1] != 0, std::move(slot)});
    }
}

}  // namespace munet
