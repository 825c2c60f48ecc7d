#include "nn/module.h"

#include <algorithm>
#include <functional>
#include <utility>

namespace munet::nn {
namespace {

// A visitor from lambdas.
struct Each : Visitor {
  std::function<void(const std::string&, Tensor&, Role)> on_tensor;
  std::function<void(const std::string&, Module&)> on_module;

 protected:
  void tensor(const std::string& name, Tensor& value, Role role) override {
    if (on_tensor) on_tensor(name, value, role);
  }
  void enter(const std::string& name, Module& child) override {
    if (on_module) on_module(name, child);
    Visitor::enter(name, child);
  }
};

void each_tensor(Module& module, std::function<void(const std::string&, Tensor&, Role)> f) {
  Each each;
  each.on_tensor = std::move(f);
  each.walk(module);
}

void refuse_frozen(Module& module, const char* op) {
  Each each;
  each.on_module = [&](const std::string& name, Module& child) {
    check(!child.frozen(), op, ": the module is frozen (", name.empty() ? "itself" : name,
          "); thaw() it first");
  };
  each.walk(module);
}

bool floating(DType dtype) {
  return dtype == DType::f32 || dtype == DType::f64 || dtype == DType::f16 || dtype == DType::bf16;
}

// "; missing (2): a, b"
std::string listed(const char* kind, const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 20;
  if (names.empty()) return "";
  std::string text = str("; ", kind, " (", names.size(), "): ");
  for (std::size_t i = 0; i < std::min(kShown, names.size()); ++i)
    text += (i ? ", " : "") + names[i];
  if (names.size() > kShown) text += str(" and ", names.size() - kShown, " more");
  return text;
}

bool is_counter(const std::string& name) {
  const std::string last = "num_batches_tracked";
  return name == last || name.ends_with("." + last);
}

}  // namespace

void Visitor::enter(const std::string& name, Module& child) {
  const std::string outer = std::exchange(path_, name.empty() ? "" : name + ".");
  child.visit(*this);
  path_ = outer;
}

std::vector<NamedTensor> parameters(Module& module) {
  std::vector<NamedTensor> found;
  each_tensor(module, [&](const std::string& name, Tensor& value, Role role) {
    if (role == Role::parameter) found.push_back({name, value});
  });
  return found;
}

std::vector<NamedTensor> tensors(Module& module) {
  std::vector<NamedTensor> found;
  each_tensor(module, [&](const std::string& name, Tensor& value, Role) {
    found.push_back({name, value});
  });
  return found;
}

StateDict state_dict(Module& module) {
  StateDict state;
  for (const NamedTensor& named : tensors(module))
    check(state.emplace(named.name, named.tensor.detach()).second,
          "state_dict: visit() names two tensors ", named.name);
  return state;
}

LoadReport load(Module& module, const StateDict& state, Strict strict) {
  refuse_frozen(module, "load");
  const StateDict own = state_dict(module);
  LoadReport report;
  std::vector<std::string> misshaped;
  std::vector<std::pair<Tensor, Tensor>> copies;  // from, to
  for (const auto& [name, to] : own) {
    const auto found = state.find(name);
    if (found == state.end()) {
      if (!is_counter(name)) report.missing.push_back(name);
      continue;
    }
    const Tensor& from = found->second;
    const bool convertible =
        from.dtype() == to.dtype() || (floating(from.dtype()) && floating(to.dtype()));
    if (!from.defined() || !(from.shape() == to.shape()) || !convertible)
      misshaped.push_back(str(name, " (module ", to.dtype(), " ", to.shape(), ", state ",
                              from ? str(from.dtype(), " ", from.shape()) : "nothing", ")"));
    else
      copies.emplace_back(from.detach(), to);
  }
  for (const auto& [name, from] : state)
    if (!own.count(name) && !is_counter(name)) report.unexpected.push_back(name);

  const bool names_fit = report.missing.empty() && report.unexpected.empty();
  check(misshaped.empty() && (names_fit || strict == Strict::no),
        "load: the state does not fit the module", listed("missing", report.missing),
        listed("unexpected", report.unexpected), listed("mis-shaped", misshaped));

  // All conversions come before the first copy, so that running out of memory changes nothing.
  for (auto& [from, to] : copies)
    if (from.dtype() != to.dtype()) from = from.to(Device{}).to(to.dtype());
  for (const auto& [from, to] : copies)
    if (from.raw() != to.raw())
      copy_bytes(to.raw(), to.device(), from.raw(), from.device(), std::size_t(to.bytes()));
  report.loaded = int64_t(copies.size());
  return report;
}

void to(Module& module, Device device) {
  refuse_frozen(module, "to");
  each_tensor(module, [&](const std::string&, Tensor& value, Role) {
    if (value.device() == device) return;
    const bool trained = value.requires_grad();
    value = value.detach().to(device);
    value.set_requires_grad(trained);
  });
}

void train(Module& module, bool on) {
  if (on) refuse_frozen(module, "train");
  Each each;
  each.on_module = [on](const std::string&, Module& child) { child.training = on; };
  each.walk(module);
}

void requires_grad(Module& module, bool on) {
  each_tensor(module, [on](const std::string&, Tensor& value, Role role) {
    if (role == Role::parameter) value.set_requires_grad(on);
  });
}

int64_t parameter_count(Module& module) {
  int64_t count = 0;
  for (const NamedTensor& parameter : parameters(module)) count += parameter.tensor.numel();
  return count;
}

}  // namespace munet::nn
