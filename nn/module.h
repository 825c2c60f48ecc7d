// Module: something with named tensors. A module lists its members once, in visit(); parameters,
// state_dict, load, train, printing and freezing all derive from that list.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tensor/tensor.h"

namespace munet::nn {

struct Module;
struct Conv2d;
struct BatchNorm2d;

// Receives a module's members. Names are joined with dots: "layer1.0.conv1.weight", torch's names.
struct Visitor {
  virtual ~Visitor() = default;
  virtual void tensor(const std::string& name, Tensor& value) = 0;  // parameter or buffer
  virtual void enter(const std::string& name, Module& child) = 0;
  // conv is always followed by bn (their sum of convolutions, if there are several): what freeze()
  // may fold. shift: whether this convolution takes bn's additive part (one of the sum does).
  virtual void fold(Conv2d&, BatchNorm2d&, bool shift) { (void)shift; }

  void operator()(const std::string& name, Tensor& value) { tensor(name, value); }
  void operator()(const std::string& name, Module& child) { enter(name, child); }
};

struct Module {
  virtual ~Module() = default;
  virtual void visit(Visitor& v) = 0;  // v("weight", weight); v("bn1", bn1); each member once
  bool training = true;
};

// Modules in a row, named "0", "1", ... A std::deque-like owner: its elements never move.
template <class M>
struct ModuleList : Module {
  std::vector<M> items;
  void visit(Visitor& v) override {
    for (std::size_t i = 0; i < items.size(); ++i) v(std::to_string(i), items[i]);
  }
};

struct NamedTensor {
  std::string name;
  Tensor tensor;
};
using StateDict = std::map<std::string, Tensor>;  // sorted by name

std::vector<NamedTensor> parameters(Module&);  // what requires a gradient, in visiting order
std::vector<NamedTensor> tensors(Module&);     // parameters and buffers, in visiting order
StateDict state_dict(Module&);                 // the same, sharing the numbers

enum class Strict { yes, no };  // no: missing and unexpected names are allowed, wrong shapes are not
// Copies the numbers of `state` into the module's tensors (converted to their dtype), in place:
// nothing is changed if anything is wrong. Error that lists *all* missing, unexpected and mis-shaped
// names at once. "num_batches_tracked" (PyTorch's counter) is ignored wherever it occurs.
void load(Module&, const StateDict& state, Strict = Strict::yes);

void to(Module&, Device);
void train(Module&, bool on = true);             // sets `training` on the whole tree
void requires_grad(Module&, bool on);            // of all parameters (floating-point, non-buffers)
int64_t parameter_count(Module&);

}  // namespace munet::nn
