// The tape: reverse-mode differentiation in one page. An op computes its result, and if some input
// takes part in a graph it hangs a Node with a closure onto the result; backward() walks the nodes
// from the last to the first. First order only: there is no gradient of a gradient.
#pragma once

#include <functional>
#include <memory>

#include "tensor/tensor.h"

namespace munet {

struct Node;

// A tensor without its numbers: the graph links slots, so it keeps alive only what a closure chose
// to save. Leaves (parameters) have no producer and collect `grad`.
struct GradSlot {
  Shape shape;
  DType dtype = DType::f32;
  std::shared_ptr<Node> producer;
  Tensor grad;
};

// From dL/d(output) to dL/d(input), one per input in order; an undefined Tensor means "none".
// Captures detached tensors only: a closure that held its own output would never be freed.
using Backward = std::function<Tensors(const Tensor& grad_out)>;

struct Node {
  const char* name;
  uint64_t sequence;  // grows with every record: the order backward() undoes
  std::vector<std::shared_ptr<GradSlot>> inputs;
  Backward backward;
  ~Node();  // unlinks a long chain in a loop: recursion would overflow the stack
};

// Whether an op with these inputs must record itself: NoGrad is off and some input has a slot.
bool grad_enabled();
bool recording(const Tensors& inputs);
template <class... T>
bool recording(const Tensor& first, const T&... more) {
  return grad_enabled() && (first.requires_grad() || ... || more.requires_grad());
}

// `out` as the result of op `name` on `inputs`; undefined inputs are allowed and get no gradient.
Tensor record(Tensor out, const char* name, const Tensors& inputs, Backward backward);

// Adds dL/dx to the grad() of every leaf x that `loss` depends on. `seed` is dL/d(loss), by default
// 1 for a scalar. The graph is freed on the way: a second walk is an Error. Sums are made here,
// never in an op; shapes, dtypes and counts of gradients are checked with the node's name in the
// message.
void backward(const Tensor& loss, const Tensor& seed = {});

// The same walk, but the gradients of these leaves are returned, in order (undefined: none), and no
// grad() changes.
Tensors gradients(const Tensor& loss, const Tensor& seed,
                  const std::vector<std::shared_ptr<GradSlot>>& leaves);

// Adds gradients that lie on a GPU; set by ops_cuda. into += x.
extern void (*cuda_add_into)(const Tensor& into, const Tensor& x);

// While one lives, nothing is recorded on this thread. Nests.
struct NoGrad {
  NoGrad();
  ~NoGrad();
  NoGrad(const NoGrad&) = delete;
  NoGrad& operator=(const NoGrad&) = delete;
};

// While one lives, recording is on again: for a closure that needs a graph of its own.
struct Grad {
  Grad();
  ~Grad();
  Grad(const Grad&) = delete;
  Grad& operator=(const Grad&) = delete;

 private:
  int outer_;
};

}  // namespace munet
