#include "nn/optim.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "autograd/ops/update.h"

namespace munet::nn {
namespace {

// `first` is any tensor of the same list: one kernel takes them all.
void check_place(const char* op, const std::string& name, const Tensor& x, const Tensor& first) {
  check<DTypeError>(x.dtype() == DType::f32 || x.dtype() == DType::f64, op, ": ", name, " is ",
                    x.dtype(), "; expected f32");
  check<DeviceError>(x.device() == first.device(), op, ": ", name, " is on ", x.device(),
                     ", the first one on ", first.device());
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
      check_place("AdamW", parameter.name, p, slots_.empty() ? p : slots_[0].parameter.tensor);
      const auto [owner, first] = owners.emplace(p.raw(), parameter.name);
      check(first || p.numel() == 0, "AdamW: ", owner->second, " and ", parameter.name,
            " are the same numbers");
      slots_.push_back({parameter, group.lr_factor, group.weight_decay,
                        Tensor::zeros({}, DType::i64),
                        Tensor::zeros(p.shape(), p.dtype(), p.device()),
                        Tensor::zeros(p.shape(), p.dtype(), p.device())});
    }
}

void AdamW::step(double base_lr) {
  std::vector<kernels::AdamWStep> steps;
  for (const Slot& slot : slots_) {
    const Tensor& p = slot.parameter.tensor;
    if (!p.grad()) continue;
    const double t = double(++*slot.steps.data<int64_t>());
    const double lr = base_lr * slot.lr_factor;
    steps.push_back({p.detach(), p.grad(), slot.exp_avg, slot.exp_avg_sq,
                     1 - lr * slot.weight_decay, -lr / (1 - std::pow(options_.beta1, t)),
                     std::sqrt(1 - std::pow(options_.beta2, t))});
  }
  if (!steps.empty())
    kernels::adamw(steps[0].p.device(), steps, {options_.beta1, options_.beta2, options_.eps});
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
    check_place("Ema", name, tensor, tensors[0].tensor);
    average_.push_back({name, tensor.detach().clone()});
  }
}

void Ema::update() {
  const double t = double(++*steps_.data<int64_t>());
  const double rest = 1 - std::min(decay_, (1 + t) / (10 + t));
  Tensors from, to;
  for (const auto& [name, tensor] : live_) from.push_back(tensor.detach());
  for (const auto& [name, tensor] : average_) to.push_back(tensor);
  if (!from.empty()) kernels::move_toward(from[0].device(), to, from, rest);
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
  Tensors gradients;
  std::vector<std::string> names;
  for (const auto& [name, tensor] : parameters) {
    if (!tensor.grad()) continue;
    check_place("clip_grad_norm", "the gradient of " + name, tensor.grad(),
                gradients.empty() ? tensor.grad() : gradients[0]);
    gradients.push_back(tensor.grad());
    names.push_back(name);
  }
  if (gradients.empty()) return 0;
  const Device device = gradients[0].device();
  const std::vector<double> sums = kernels::sums_of_squares(device, gradients);
  double total = 0;
  for (std::size_t i = 0; i < sums.size(); ++i) {
    check(std::isfinite(sums[i]) || !error_if_nonfinite, "clip_grad_norm: the gradient of ",
          names[i], " is not finite");
    total += sums[i];
  }
  const double norm = std::sqrt(total), factor = max_norm / (norm + 1e-6);
  if (std::isfinite(norm) && factor < 1) kernels::scale_all(device, gradients, factor);
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
  Tensors gradients;
  for (const auto& [name, tensor] : params)
    if (tensor.grad()) gradients.push_back(tensor.grad());
  if (!gradients.empty()) kernels::scale_all(gradients[0].device(), gradients, 1 / scale());
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
