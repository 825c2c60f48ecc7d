// Module: something with named tensors. A module lists its members once, in visit(); parameters,
// state_dict, load, to, train and freezing all derive from that list. Copies of a module share its
// numbers, as copies of a Tensor do.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tensor/tensor.h"

namespace munet::nn {

struct Module;
struct Conv2d;
struct BatchNorm2d;

// A parameter is trained; a buffer is only saved (batch norm's running statistics).
enum class Role { parameter, buffer };

// Receives a module's members. A visit() calls v("weight", weight) with the member's own name; what
// the overridden functions get is the whole name, joined with dots: "layer1.0.conv1.weight",
// torch's names.
class Visitor {
 public:
  virtual ~Visitor() = default;
  void operator()(const std::string& name, Tensor& value, Role role = Role::parameter) {
    tensor(path_ + name, value, role);
  }
  void operator()(const std::string& name, Module& child) { enter(path_ + name, child); }
  // conv is always followed by bn (their sum of convolutions, if there are several): what freeze()
  // may fold. shift: whether this convolution takes bn's additive part (one of the sum does).
  virtual void fold(Conv2d& conv, BatchNorm2d& bn, bool shift = true) {
    (void)conv, (void)bn, (void)shift;
  }
  // Visits `root` and all below it; root's own name is "".
  void walk(Module& root) { enter("", root); }

 protected:
  virtual void tensor(const std::string& name, Tensor& value, Role role) {
    (void)name, (void)value, (void)role;
  }
  // An override calls this one to go on into the child.
  virtual void enter(const std::string& name, Module& child);

 private:
  std::string path_;  // of the module that is being visited, with its dot
};

struct Module {
  virtual ~Module() = default;
  virtual void visit(Visitor& v) = 0;  // v("weight", weight); v("bn1", bn1); each member once
  // Whether freeze() has left something in this module itself (not in its children).
  virtual bool frozen() const { return false; }
  bool training = true;
};

// Modules in a row, named "0", "1", ...
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

std::vector<NamedTensor> parameters(Module&);  // in visiting order, trained at present or not
std::vector<NamedTensor> tensors(Module&);     // parameters and buffers, in visiting order
StateDict state_dict(Module&);                 // the same, sharing the numbers, outside the graph

enum class Strict {
  yes,
  no
};  // no: missing and unexpected names are allowed, wrong shapes are not
struct LoadReport {
  int64_t loaded = 0;
  std::vector<std::string> missing, unexpected;  // empty after a strict load
};
// Copies the numbers of `state` into the module's tensors, in place: other handles on them see the
// new numbers. Floating-point types are converted to the module's. Nothing is changed if anything
// is wrong: then one Error lists all missing, unexpected and mis-shaped names (20 of each kind).
// "num_batches_tracked" (PyTorch's counter) is ignored wherever it occurs. Error if frozen.
LoadReport load(Module&, const StateDict& state, Strict = Strict::yes);

// These refuse a frozen module, whose prepared weights they would leave behind: thaw() it first.
void to(Module&, Device);              // gradients are dropped
void train(Module&, bool on = true);   // sets `training` on the whole tree; off is always allowed
void requires_grad(Module&, bool on);  // of all parameters (not of buffers)
int64_t parameter_count(Module&);

}  // namespace munet::nn
