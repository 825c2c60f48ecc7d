#include "autograd/recompute.h"

#include <unordered_set>

namespace munet {
namespace {

using Slots = std::vector<std::shared_ptr<GradSlot>>;

// The same numbers as leaves of a graph of their own; without gradient what had none.
Tensors fresh_leaves(const Tensors& inputs, const std::vector<bool>& wanted) {
  Tensors leaves;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    leaves.push_back(inputs[i].detach());
    if (wanted[i]) leaves.back().set_requires_grad();
  }
  return leaves;
}

// A number that nodes recorded later exceed.
uint64_t sequence_now() {
  return record(Tensor(), "checkpoint", {}, nullptr).grad_slot()->producer->sequence;
}

// Leaves of y's graph that are not `known`, in the order in which they are met.
Slots other_leaves(const Tensor& y, const Tensors& known, uint64_t begin) {
  std::unordered_set<const GradSlot*> seen;
  for (const Tensor& x : known) seen.insert(x.grad_slot().get());
  Slots pending{y.grad_slot()}, found;
  while (!pending.empty()) {
    const std::shared_ptr<GradSlot> slot = std::move(pending.back());
    pending.pop_back();
    if (!slot || !seen.insert(slot.get()).second) continue;
    if (!slot->producer) {
      found.push_back(slot);
      continue;
    }
    check(slot->producer->sequence > begin, "checkpoint: f uses a result of ", slot->producer->name,
          " besides its inputs; give it to f as an input");
    pending.insert(pending.end(), slot->producer->inputs.begin(), slot->producer->inputs.end());
  }
  return found;
}

}  // namespace

Tensor checkpoint(const std::function<Tensor(const Tensors&)>& f, const Tensors& inputs) {
  if (!grad_enabled()) return f(inputs);
  std::vector<bool> wanted;
  for (const Tensor& x : inputs) wanted.push_back(x.requires_grad());
  // Recorded once, only to see which leaves f uses; the graph and what it saved die here.
  Tensor y;
  Slots leaves;
  {
    const uint64_t begin = sequence_now();
    const Tensors own = fresh_leaves(inputs, wanted);
    y = f(own);
    if (!y.requires_grad()) return y;
    leaves = other_leaves(y, own, begin);
    y = y.detach();
  }
  Tensors kept, sources = inputs;  // sources: all whose gradients the closure returns
  for (const Tensor& x : inputs) kept.push_back(x.detach());
  for (const std::shared_ptr<GradSlot>& leaf : leaves) {
    Tensor source;
    source.set_grad_slot(leaf);
    sources.push_back(source);
  }
  return record(y, "checkpoint", sources, [f, kept, wanted, leaves](const Tensor& gy) -> Tensors {
    const Grad grad;
    const Tensors own = fresh_leaves(kept, wanted);
    const Tensor y = f(own);
    Slots all;
    for (const Tensor& x : own) all.push_back(x.grad_slot());
    all.insert(all.end(), leaves.begin(), leaves.end());
    return gradients(y, gy, all);
  });
}

}  // namespace munet
