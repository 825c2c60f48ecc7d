#include "nn/fold.h"

#include <cmath>
#include <map>

#include "nn/layers.h"
#include "tensor/parallel.h"

namespace munet::nn {
namespace {

struct Pair {
  BatchNorm2d* bn = nullptr;
  bool shift = false;
};

// Every convolution below a module, in visiting order, and what is to be folded into it.
struct Plan : Visitor {
  std::vector<std::pair<std::string, Conv2d*>> convolutions;
  std::map<const Conv2d*, Pair> pairs;
  std::string training;  // the first module that is in training mode
  bool any_training = false;

  void fold(Conv2d& conv, BatchNorm2d& bn, bool shift) override {
    check(pairs.emplace(&conv, Pair{&bn, shift}).second,
          "freeze: one convolution is followed by two batch norms; its weights are ",
          conv.weight.shape());
  }

 protected:
  void enter(const std::string& name, Module& child) override {
    if (child.training && !any_training) training = name, any_training = true;
    if (auto* conv = dynamic_cast<Conv2d*>(&child)) convolutions.emplace_back(name, conv);
    Visitor::enter(name, child);
  }
};

std::string shown(const std::string& name) { return name.empty() ? "the module" : name; }

void check_plan(const Plan& plan) {
  check(!plan.any_training, "freeze: ", shown(plan.training),
        " is in training mode; call train(module, false) first");
  std::map<const BatchNorm2d*, std::pair<int, std::string>> shifts;
  std::size_t visited = 0;
  for (const auto& [name, conv] : plan.convolutions) {
    const auto found = plan.pairs.find(conv);
    if (found == plan.pairs.end()) continue;
    const auto& [bn, shift] = found->second;
    check<ShapeError>(bn->weight.numel() == conv->weight.dim(0), "freeze: ", shown(name), " has ",
                      conv->weight.dim(0), " outputs, its batch norm ", bn->weight.numel());
    auto& [count, first] = shifts.try_emplace(bn, 0, name).first->second;
    count += shift;
    ++visited;
  }
  check(visited == plan.pairs.size(), "freeze: visit() folds ", plan.pairs.size() - visited,
        " convolutions that it does not name");
  for (const auto& [bn, counted] : shifts)
    check(counted.first == 1, "freeze: the batch norm behind ", shown(counted.second),
          " gives its shift to ", counted.first, " convolutions, expected 1");
}

// f32 here stands for "as they are": an f64 module stays one.
DType storage_of(const Conv2d& conv, DType storage) {
  return storage == DType::f32 ? conv.weight.dtype() : storage;
}

std::shared_ptr<const PreparedConv2d> prepare(const Conv2d& conv, const Pair& pair, DType storage) {
  const DType type = storage_of(conv, storage);
  const Device device = conv.weight.device();
  const auto stored = [&](const Tensor& x) {
    if (!x || (x.device() == device && x.dtype() == type)) return x.detach();
    return x.detach().to(Device{}).to(type).to(device);
  };
  if (!pair.bn) return prepare_conv2d(stored(conv.weight), stored(conv.bias), conv.options);
  const Tensor w = conv.weight.detach().to(Device{}), folded = Tensor::empty(w.shape(), w.dtype());
  std::vector<double> b(std::size_t(w.dim(0)), 0);
  if (conv.bias) b = conv.bias.to_vector<double>();
  const auto gamma = pair.bn->weight.to_vector<double>(), beta = pair.bn->bias.to_vector<double>();
  const auto mean = pair.bn->running_mean.to_vector<double>();
  const auto var = pair.bn->running_var.to_vector<double>();
  const int64_t row = w.numel() / w.dim(0);  // weights of one output
  for_float(w.dtype(), "freeze", [&](auto zero) {
    using T = decltype(zero);
    parallel_for(w.dim(0), 16, [&](int64_t begin, int64_t end) {
      for (std::size_t o = std::size_t(begin); o < std::size_t(end); ++o) {
        const double g = gamma[o] / std::sqrt(var[o] + pair.bn->eps);
        const T* from = w.data<T>() + int64_t(o) * row;
        T* to = folded.data<T>() + int64_t(o) * row;
        for (int64_t i = 0; i < row; ++i) to[i] = T(g * double(from[i]));
        b[o] = g * b[o] + (pair.shift ? beta[o] - g * mean[o] : 0);
      }
    });
  });
  return prepare_conv2d(stored(folded), stored(Tensor::from(b, {w.dim(0)})), conv.options);
}

}  // namespace

FreezeSummary freeze(Module& module, DType storage) {
  Plan plan;
  plan.walk(module);
  check_plan(plan);
  FreezeSummary summary;
  std::vector<std::shared_ptr<const PreparedConv2d>> prepared;
  for (const auto& [name, conv] : plan.convolutions)
    prepared.push_back(prepare(*conv, plan.pairs[conv], storage));
  for (std::size_t i = 0; i < prepared.size(); ++i) {
    Conv2d& conv = *plan.convolutions[i].second;
    conv.prepared = prepared[i];
    conv.folded = plan.pairs[&conv].bn != nullptr;
    ++summary.convolutions;
    summary.folded += conv.folded;
    summary.packed_bytes += packed_bytes(*prepared[i]);
  }
  return summary;
}

void thaw(Module& module) {
  Plan plan;
  plan.walk(module);
  for (const auto& [name, conv] : plan.convolutions) {
    conv->prepared = nullptr;
    conv->folded = false;
  }
}

}  // namespace munet::nn
