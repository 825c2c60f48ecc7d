// Training's arithmetic: AdamW, clipping, learning-rate factors. f32 (or f64), on the CPU
// with the same result for any number of threads, on a GPU with one kernel over all parameters.
#pragma once

#include <vector>

#include "nn/module.h"

namespace munet::nn {

struct ParameterGroup {
  std::vector<NamedTensor> parameters;
  double lr_factor = 1;  // times the learning rate of each step
  double weight_decay = 0.01;
};
struct AdamWOptions {
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
};

// Adam with decoupled weight decay (Loshchilov & Hutter 2019, alg. 2), in PyTorch's order of
// operations. For each parameter p with a gradient g, at its t-th step (from 1):
//   p = p (1 - lr decay);   m = m + (1 - beta1)(g - m);   v = beta2 v + (1 - beta2) g^2
//   p = p - lr / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + eps)
// Parameters are changed in place, so make it after load() or to(). It is a Module: state_dict()
// and load() save and resume it exactly, as "NAME.step", "NAME.exp_avg" (m) and "NAME.exp_avg_sq"
// (v).
class AdamW : public Module {
 public:
  // Error if a name is there twice, DTypeError for parameters not f32/f64, DeviceError for
  // parameters on two devices.
  explicit AdamW(std::vector<ParameterGroup> groups, AdamWOptions options = {});
  // One step with learning rate lr * lr_factor. A parameter without a gradient stays as it is.
  void step(double lr);
  void visit(Visitor& v) override;

 private:
  struct Slot {
    NamedTensor parameter;
    double lr_factor, weight_decay;
    Tensor steps, exp_avg, exp_avg_sq;
  };
  std::vector<Slot> slots_;
  AdamWOptions options_;
};

// Exponential moving average of tensors (Polyak averaging): after step t (from 1)
//   e = e + (1 - d)(p - e),   d = min(decay, (1 + t) / (10 + t))
// so that the start is forgotten soon. Buffers are averaged alike. state_dict() has the averages
// under the tensors' own names, and "ema.step".
class Ema : public Module {
 public:
  // Starts as a copy. DTypeError or DeviceError for tensors not f32/f64 or on two devices, Error on
  // a decay outside [0, 1).
  Ema(const std::vector<NamedTensor>& tensors, double decay);
  void update();
  void visit(Visitor& v) override;
  StateDict averages();  // without the counter: what load() of the averaged module takes

 private:
  std::vector<NamedTensor> live_, average_;
  double decay_;
  Tensor steps_ = Tensor::zeros({}, DType::i64);
};

// Forgets all gradients: the next backward() starts from nothing.
void zero_grad(const std::vector<NamedTensor>& parameters);

// Scales all gradients together, in place, by min(1, max_norm / (norm + 1e-6)), norm being the
// Euclidean norm over all of them (Pascanu et al. 2013, PyTorch's form), and returns norm, summed
// in f64. Where a gradient is not finite: Error that names it, or, if that is off, nothing is
// scaled and the returned norm is not finite, so that the caller can leave the step out.
double clip_grad_norm(const std::vector<NamedTensor>& parameters, double max_norm,
                      bool error_if_nonfinite = true);

// Dynamic loss scaling for f16, whose smallest numbers are 6e-8 (Micikevicius et al. 2018): the
// loss's gradient is started at scale() instead of 1, gradients are divided by it before the step,
// and a step whose gradients are not finite is left out and halves it; `every` good steps in a row
// double it, up to 2^24. A Module, so that a resumed run goes on with the same scale.
//   backward(loss, scaler.seed(loss));  scaler.unscale(params);
//   const double norm = clip_grad_norm(params, 1, false);
//   if (scaler.update(std::isfinite(norm))) optimizer.step(lr);
class LossScaler : public Module {
 public:
  explicit LossScaler(double scale = 65536, int64_t every = 2000);
  double scale() const;
  Tensor seed(const Tensor& loss) const;                       // scale(), in the loss's shape
  void unscale(const std::vector<NamedTensor>& params) const;  // gradients / scale()
  bool update(bool finite);                                    // returns `finite`
  void visit(Visitor& v) override;

 private:
  Tensor scale_, good_;  // f64 and i64 [], good_: steps since it last changed
  int64_t every_;
};

// Factors on the learning rate: pure functions of the step (the first is 0), to be multiplied with
// it and with each other. A constant rate is no factor at all. Error on a negative step.
double warm_up(int64_t step, int64_t steps);                   // (step + 1) / steps, then 1
double step_decay(int64_t step, int64_t every, double gamma);  // gamma^floor(step / every)
// floor + (1 - floor)(1 + cos(pi step / total)) / 2, then floor (Loshchilov & Hutter 2017, eq. 5).
double cosine_decay(int64_t step, int64_t total, double floor = 0);

}  // namespace munet::nn
