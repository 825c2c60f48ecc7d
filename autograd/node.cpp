#include "autograd/node.h"

#include <algorithm>
#include <atomic>
#include <queue>
#include <unordered_map>

#include "tensor/parallel.h"

namespace munet {

void (*cuda_add_into)(const Tensor& into, const Tensor& x) = nullptr;

namespace {

thread_local int no_grad_depth = 0;

uint64_t next_sequence() {
  static std::atomic<uint64_t> counter{0};
  return ++counter;
}

// to = a + b, element by element, on numbers that the engine itself allocated; to may be a.
void add_gradients(const Tensor& to, const Tensor& a, const Tensor& b, const char* name) {
  check<DeviceError>(a.device() == b.device(), "backward of ", name, ": gradients lie on ",
                     a.device(), " and ", b.device());
  if (to.device().kind != Device::cpu) {
    if (to.raw() != a.raw())
      copy_bytes(to.raw(), to.device(), a.raw(), a.device(), std::size_t(a.bytes()));
    return cuda_add_into(to, b);
  }
  for_float(to.dtype(), "backward", [&](auto zero) {
    using T = decltype(zero);
    const T *pa = a.data<T>(), *pb = b.data<T>();
    T* sum = to.data<T>();
    parallel_for(to.numel(), 32768, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) sum[i] = pa[i] + pb[i];
    });
  });
}

// The gradient of one slot while it is being summed. `owned`: the engine made the sum, so it may be
// added to in place; what an op returned may be shared (add returns the same tensor twice).
struct Sum {
  Tensor grad;
  bool owned = false;

  void add(const Tensor& g, const char* name) {
    if (!grad) {
      grad = g.detach();
    } else {
      const Tensor to = owned ? grad : Tensor::empty(grad.shape(), grad.dtype(), grad.device());
      add_gradients(to, grad, g, name);
      grad = to;
      owned = true;
    }
  }
};

void check_gradient(const Tensor& g, const GradSlot& slot, const char* name) {
  check<ShapeError>(g.shape() == slot.shape, "backward of ", name, ": gradient is ", g.shape(),
                    ", its input ", slot.shape);
  check<DTypeError>(g.dtype() == slot.dtype, "backward of ", name, ": gradient is ", g.dtype(),
                    ", its input ", slot.dtype);
}

void add_to_leaf(GradSlot& slot, const Sum& sum, const char* name) {
  if (!slot.grad) {
    // A tensor that an op returned may be shared with another leaf: take a copy.
    slot.grad = sum.owned ? sum.grad : sum.grad.clone();
  } else {
    add_gradients(slot.grad, slot.grad, sum.grad, name);
  }
}

}  // namespace

NoGrad::NoGrad() { ++no_grad_depth; }
NoGrad::~NoGrad() { --no_grad_depth; }
Grad::Grad() : outer_(no_grad_depth) { no_grad_depth = 0; }
Grad::~Grad() { no_grad_depth = outer_; }
bool grad_enabled() { return no_grad_depth == 0; }

bool recording(const Tensors& inputs) {
  return grad_enabled() && std::any_of(inputs.begin(), inputs.end(),
                                       [](const Tensor& x) { return x.requires_grad(); });
}

Tensor record(Tensor out, const char* name, const Tensors& inputs, Backward backward) {
  auto node = std::make_shared<Node>();
  node->name = name;
  node->sequence = next_sequence();
  node->backward = std::move(backward);
  for (const Tensor& x : inputs) node->inputs.push_back(x.grad_slot());
  auto slot = std::make_shared<GradSlot>();
  slot->shape = out.shape();
  slot->dtype = out.dtype();
  slot->producer = std::move(node);
  out.set_grad_slot(std::move(slot));
  return out;
}

Node::~Node() {
  std::vector<std::shared_ptr<GradSlot>> pending = std::move(inputs);
  while (!pending.empty()) {
    std::shared_ptr<GradSlot> slot = std::move(pending.back());
    pending.pop_back();
    if (!slot || slot.use_count() > 1 || !slot->producer || slot->producer.use_count() > 1)
      continue;
    // We hold the last reference to this slot and its node: take the node's inputs before it dies.
    std::vector<std::shared_ptr<GradSlot>>& next = slot->producer->inputs;
    std::move(next.begin(), next.end(), std::back_inserter(pending));
    next.clear();
  }
}

namespace {

// What is left when all nodes have been walked: the sums of the leaves.
using Sums = std::unordered_map<GradSlot*, Sum>;

Sums walk(const Tensor& loss, const Tensor& seed, std::vector<std::shared_ptr<GradSlot>>& alive) {
  check(loss.requires_grad(), "backward: the loss depends on no tensor that requires a gradient");
  Sum start;
  if (seed) {
    check_gradient(seed, *loss.grad_slot(), "the seed");
    start.add(seed, "the seed");
  } else {
    check<ShapeError>(loss.numel() == 1, "backward: without a seed the loss is one element, given ",
                      loss.shape());
    start = {Tensor::full(loss.shape(), 1, loss.dtype(), loss.device()), true};
  }

  const auto later = [](const GradSlot* a, const GradSlot* b) {
    return a->producer->sequence < b->producer->sequence;
  };
  // A node's consumers all have a larger sequence, so when its slot is the largest its sum is
  // whole.
  std::priority_queue<GradSlot*, std::vector<GradSlot*>, decltype(later)> order(later);
  Sums sums;
  alive.push_back(loss.grad_slot());  // slots in the queue and in the sums stay alive

  const auto give = [&](const std::shared_ptr<GradSlot>& slot, const Tensor& g, const char* name) {
    const auto [found, first] = sums.try_emplace(slot.get());
    found->second.add(g, name);
    if (first) alive.push_back(slot);
    if (first && slot->producer) order.push(slot.get());
  };
  give(loss.grad_slot(), start.grad, "the seed");
  sums[loss.grad_slot().get()].owned = start.owned;

  while (!order.empty()) {
    GradSlot* slot = order.top();
    order.pop();
    const Tensor grad = std::move(sums[slot].grad);
    sums.erase(slot);
    Node& node = *slot->producer;
    check(node.backward != nullptr, "backward: ", node.name,
          " was walked already; its saved tensors are gone (run the forward pass again)");
    Tensors grads = node.backward(grad);
    node.backward = nullptr;  // frees what it saved
    check<ShapeError>(grads.size() == node.inputs.size(), "backward of ", node.name, ": ",
                      grads.size(), " gradients for ", node.inputs.size(), " inputs");
    for (std::size_t i = 0; i < grads.size(); ++i) {
      if (!grads[i] || !node.inputs[i]) continue;
      check_gradient(grads[i], *node.inputs[i], node.name);
      give(node.inputs[i], grads[i], node.name);
    }
  }
  return sums;
}

}  // namespace

void backward(const Tensor& loss, const Tensor& seed) {
  NoGrad no_grad;  // closures call ops; nothing of theirs is recorded
  std::vector<std::shared_ptr<GradSlot>> alive;
  for (auto& [slot, sum] : walk(loss, seed, alive))
    if (!slot->producer) add_to_leaf(*slot, sum, "a leaf");
}

Tensors gradients(const Tensor& loss, const Tensor& seed,
                  const std::vector<std::shared_ptr<GradSlot>>& leaves) {
  NoGrad no_grad;
  std::vector<std::shared_ptr<GradSlot>> alive;
  Sums sums = walk(loss, seed, alive);
  Tensors all;
  for (const std::shared_ptr<GradSlot>& leaf : leaves) {
    const auto found = sums.find(leaf.get());
    all.push_back(found == sums.end() ? Tensor{} : found->second.grad);
  }
  return all;
}

// Tensor's side of autograd lives here: tensor/ only knows that slots exist.
Tensor& Tensor::set_requires_grad(bool on) {
  check(!slot_ || !slot_->producer, "set_requires_grad: ", shape_,
        " is the result of an op; detach() it first");
  if (!on) {
    slot_.reset();
  } else if (!slot_) {
    slot_ = std::make_shared<GradSlot>();
    slot_->shape = shape_;
    slot_->dtype = dtype_;
  }
  return *this;
}

Tensor Tensor::grad() const { return slot_ ? slot_->grad : Tensor{}; }

void Tensor::set_grad(Tensor grad) const {
  check(slot_ != nullptr, "set_grad: ", shape_, " requires no gradient");
  if (grad) check_gradient(grad, *slot_, "set_grad");
  slot_->grad = grad.detach();
}

}  // namespace munet
