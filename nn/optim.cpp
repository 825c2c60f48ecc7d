#include "nn/optim.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "autograd/node.h"
#include "autograd/ops/elementwise.h"
#include "tensor/parallel.h"

namespace munet::nn {
namespace {

constexpr int64_t kGrain = 1 << 14;  // elements: about 10 us of work

void check_place(const char* op, const std::string& name, const Tensor& x) {
  check<DTypeError>(x.dtype() == DType::f32 || x.dtype() == DType::f64, op, ": ", name, " is ",
                    x.dtype(), "; expected f32");
  check<DeviceError>(x.device().kind == Device::cpu, op, ": ", name, " is on ", x.device(),
                     "; expected cpu");
}

void check_step(const char* op, int64_t step) {
  check(step >= 0, op, ": expected a step of at least 0, given ", step);
}

}  // namespace

AdamW::AdamW(std::vector<ParameterGroup> groups, AdamWOptions options) : options_(options) {
  const auto share = [](double beta) { return beta >= 0 && beta < 1; };
  check(share(options.beta1) && share(options.beta2) && options.eps >= 0,
        "AdamW: expected beta1 and beta2 in [0, 1) and eps >= 0; given ", options.beta1, ", ",
        options.beta2, ", ", options.eps);
  std::set<std::string> names;
  std::map<const void*, std::string> owners;  // a parameter under two names would be moved twice
  for (const ParameterGroup& group : groups)
    for (const NamedTensor& parameter : group.parameters) {
      const Tensor& p = parameter.tensor;
      check(names.insert(parameter.name).second, "AdamW: ", parameter.name, " is there twice");
      check_place("AdamW", parameter.name, p);
      const auto [owner, first] = owners.emplace(p.raw(), parameter.name);
      check(first || p.numel() == 0, "AdamW: ", owner->second, " and ", parameter.name,
            " are the same numbers");
      slots_.push_back({parameter, group.lr_factor, group.weight_decay,
                        Tensor::zeros({}, DType::i64), Tensor::zeros(p.shape(), p.dtype()),
                        Tensor::zeros(p.shape(), p.dtype())});
    }
}

void AdamW::step(double base_lr) {
  for (const Slot& slot : slots_) {
    const Tensor grad = slot.parameter.tensor.grad();
    if (!grad) continue;
    const double t = double(++*slot.steps.data<int64_t>());
    const double lr = base_lr * slot.lr_factor;
    const double root = std::sqrt(1 - std::pow(options_.beta2, t));
    for_float(grad.dtype(), "AdamW", [&](auto zero) {
      using T = decltype(zero);
      // Scalars are rounded where PyTorch rounds them.
      const T keep = T(1 - lr * slot.weight_decay), toward = T(1 - options_.beta1);
      const T beta2 = T(options_.beta2), rest2 = T(1 - options_.beta2), eps = T(options_.eps);
      const T size = T(-lr / (1 - std::pow(options_.beta1, t))), divisor = T(root);
      T *p = slot.parameter.tensor.data<T>(), *m = slot.exp_avg.data<T>();
      T* v = slot.exp_avg_sq.data<T>();
      const T* g = grad.data<T>();
      parallel_for(grad.numel(), kGrain, [=](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          m[i] += toward * (g[i] - m[i]);
          v[i] = v[i] * beta2 + rest2 * g[i] * g[i];
          p[i] = p[i] * keep + size * m[i] / (std::sqrt(v[i]) / divisor + eps);
        }
      });
    });
  }
}

void AdamW::visit(Visitor& v) {
  for (Slot& slot : slots_) {
    v(slot.parameter.name + ".step", slot.steps, Role::buffer);
    v(slot.parameter.name + ".exp_avg", slot.exp_avg, Role::buffer);
    v(slot.parameter.name + ".exp_avg_sq", slot.exp_avg_sq, Role::buffer);
  }
}

Ema::Ema(const std::vector<NamedTensor>& tensors, double decay) : live_(tensors), decay_(decay) {
  check(decay >= 0 && decay < 1, "Ema: expected a decay in [0, 1); given ", decay);
  for (const auto& [name, tensor] : tensors) {
    check_place("Ema", name, tensor);
    average_.push_back({name, tensor.detach().clone()});
  }
}

void Ema::update() {
  const double t = double(++*steps_.data<int64_t>());
  const double rest = 1 - std::min(decay_, (1 + t) / (10 + t));
  for (std::size_t k = 0; k < live_.size(); ++k)
    for_float(live_[k].tensor.dtype(), "Ema", [&](auto zero) {
      using T = decltype(zero);
      const T* p = live_[k].tensor.data<T>();
      T* e = average_[k].tensor.data<T>();
      parallel_for(live_[k].tensor.numel(), kGrain, [=](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) e[i] += T(rest) * (p[i] - e[i]);
      });
    });
}

void Ema::visit(Visitor& v) {
  v("ema.step", steps_, Role::buffer);
  for (auto& [name, tensor] : average_) v(name, tensor, Role::buffer);
}

StateDict Ema::averages() {
  StateDict state;
  for (const auto& [name, tensor] : average_) state.emplace(name, tensor);
  return state;
}

void zero_grad(const std::vector<NamedTensor>& parameters) {
  for (const auto& [name, tensor] : parameters)
    if (tensor.requires_grad()) tensor.set_grad({});
}

double clip_grad_norm(const std::vector<NamedTensor>& parameters, double max_norm,
                      bool error_if_nonfinite) {
  check(max_norm > 0, "clip_grad_norm: expected max_norm > 0, given ", max_norm);
  double total = 0;
  for (const auto& [name, tensor] : parameters) {
    const Tensor grad = tensor.grad();
    if (!grad) continue;
    check_place("clip_grad_norm", "the gradient of " + name, grad);
    // One sum per block, added in order: the threads do not show.
    std::vector<double> sums(std::size_t((grad.numel() + kGrain - 1) / kGrain));
    for_float(grad.dtype(), "clip_grad_norm", [&](auto zero) {
      const auto* g = grad.data<decltype(zero)>();
      parallel_for(int64_t(sums.size()), 1, [&](int64_t begin, int64_t end) {
        for (int64_t b = begin; b < end; ++b)
          for (int64_t i = b * kGrain; i < std::min(grad.numel(), (b + 1) * kGrain); ++i)
            sums[std::size_t(b)] += double(g[i]) * double(g[i]);
      });
    });
    double sum = 0;
    for (const double part : sums) sum += part;
    check(std::isfinite(sum) || !error_if_nonfinite, "clip_grad_norm: the gradient of ", name,
          " is not finite");
    total += sum;
  }
  const double norm = std::sqrt(total), factor = max_norm / (norm + 1e-6);
  if (!std::isfinite(norm) || factor >= 1) return norm;
  for (const auto& [name, tensor] : parameters) {
    const Tensor grad = tensor.grad();
    if (!grad) continue;
    for_float(grad.dtype(), "clip_grad_norm", [&](auto zero) {
      using T = decltype(zero);
      T* g = grad.data<T>();
      parallel_for(grad.numel(), kGrain, [=](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) g[i] *= T(factor);
      });
    });
  }
  return norm;
}

LossScaler::LossScaler(double scale, int64_t every)
    : scale_(Tensor::full({}, scale, DType::f64)),
      good_(Tensor::zeros({}, DType::i64)),
      every_(every) {
  check(scale >= 1 && std::isfinite(scale) && every >= 1,
        "LossScaler: expected a finite scale of at least 1 and every >= 1; given ", scale, ", ",
        every);
}

double LossScaler::scale() const { return *scale_.data<double>(); }

Tensor LossScaler::seed(const Tensor& loss) const {
  return Tensor::full(loss.shape(), scale(), loss.dtype(), loss.device());
}

void LossScaler::unscale(const std::vector<NamedTensor>& params) const {
  NoGrad no_grad;
  for (const auto& [name, tensor] : params)
    if (const Tensor grad = tensor.grad()) tensor.set_grad(munet::scale(grad, 1 / scale()));
}

bool LossScaler::update(bool finite) {
  double& scale = *scale_.data<double>();
  int64_t& good = *good_.data<int64_t>();
  if (!finite) {
    scale = std::max(scale / 2, 1.0);
    good = 0;
  } else if (++good >= every_) {
    scale = std::min(scale * 2, 16777216.0);
    good = 0;
  }
  return finite;
}

void LossScaler::visit(Visitor& v) {
  v("scale", scale_, Role::buffer);
  v("good", good_, Role::buffer);
}

double warm_up(int64_t step, int64_t steps) {
  check_step("warm_up", step);
  return step + 1 >= steps ? 1 : double(step + 1) / double(steps);
}

double step_decay(int64_t step, int64_t every, double gamma) {
  check_step("step_decay", step);
  check(every > 0, "step_decay: expected every > 0, given ", every);
  return std::pow(gamma, double(step / every));
}

double cosine_decay(int64_t step, int64_t total, double floor) {
  check_step("cosine_decay", step);
  const double progress = step >= total ? 1 : double(step) / double(total);
  return floor + (1 - floor) * (1 + std::cos(3.14159265358979323846 * progress)) / 2;
}

}  // namespace munet::nn
