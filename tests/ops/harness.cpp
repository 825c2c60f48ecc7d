#include "tests/ops/harness.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "autograd/gradcheck.h"
#include "autograd/node.h"
#include "tensor/random.h"
#include "tests/catch.h"
#include "tests/support.h"

using namespace munet;

namespace {

Tensor draw(const OpCase& c, std::size_t input, uint64_t seed, DType dtype) {
  const Shape& shape = c.inputs[input];
  Tensor x = random_tensor(shape, seed * 1000 + input, c.low, c.high, DType::f64);
  if (c.kinks) {  // a random permutation of evenly spaced values: no two closer than the spacing
    std::vector<int64_t> order(std::size_t(x.numel()));
    std::iota(order.begin(), order.end(), 0);
    for (std::size_t i = order.size(); i > 1; --i)
      std::swap(order[i - 1], order[random_bits(seed * 1000 + input, i) % i]);
    for (std::size_t i = 0; i < order.size(); ++i)
      x.data<double>()[order[i]] =
          c.low + (c.high - c.low) * (double(i) + 0.37) / double(order.size());
  }
  if (c.prepare) x = c.prepare(int(input), x);
  // Through f32, so that the f64 and the f32 run see the very same numbers.
  return x.dtype() == DType::f64 ? x.to(DType::f32).to(dtype) : x;
}

bool differentiable(const OpCase& c, std::size_t input) {
  return std::find(c.no_grad.begin(), c.no_grad.end(), int(input)) == c.no_grad.end();
}

Tensors draw_all(const OpCase& c, uint64_t seed, DType dtype, bool with_grad) {
  Tensors inputs;
  for (std::size_t i = 0; i < c.inputs.size(); ++i) {
    inputs.push_back(draw(c, i, seed, dtype));
    if (with_grad && differentiable(c, i)) inputs.back().set_requires_grad();
  }
  return inputs;
}

bool has_gradient(const OpCase& c) { return c.no_grad.size() < c.inputs.size(); }

Tensor projection(const Tensor& y) {
  return random_tensor(y.shape(), 77, -1, 1, DType::f64).to(y.dtype());
}

// All gradients of sum(projection * op(inputs)).
Tensors gradients(const OpCase& c, const Tensors& inputs) {
  const Tensor y = c.op(inputs);
  if (y.requires_grad()) backward(y, projection(y));
  Tensors all;
  for (const Tensor& x : inputs) all.push_back(x.grad());
  return all;
}

// The inputs on the card; floating-point ones as leaves of `dtype`.
Tensors on_card(const Tensors& cpu, DType dtype) {
  Tensors gpu;
  for (const Tensor& x : cpu) {
    const bool number = x.dtype() == DType::f32 || x.dtype() == DType::f64;
    gpu.push_back((number ? x.detach().to(dtype) : x.detach()).to(Device{Device::cuda, 0}));
    if (x.requires_grad() && number) gpu.back().set_requires_grad();
  }
  return gpu;
}

// norm(got - want) / norm(want), but where the numbers are tiny (the gradient through a softmax
// over one position) their rounding is measured against 0.01.
double parity_error(const Tensor& got, const Tensor& want) {
  const double error = relative_error(got, want);
  const std::vector<double> values = want.to_vector<double>();
  double square = 0;
  for (double v : values) square += v * v;
  const double norm = std::sqrt(square), least = 0.01 * std::sqrt(double(values.size()));
  return norm >= least || values.empty() ? error : error * (norm > 0 ? norm : 1) / least;
}

// Stored in half, computed in f32: against f32 on the CPU from the same rounded inputs.
std::string half_parity(const OpCase& c) {
  const NoGrad no_grad;
  for (const auto& [dtype, tolerance] :
       {std::pair{DType::f16, 4e-3}, std::pair{DType::bf16, 2e-2}}) {
    Tensors cpu = draw_all(c, 8, DType::f32, false);
    for (Tensor& x : cpu)
      if (x.dtype() == DType::f32) x = x.to(dtype).to(DType::f32);
    try {
      const double error = relative_error(c.op(on_card(cpu, dtype)), c.op(cpu));
      if (!(error <= tolerance)) return str("CUDA forward in ", dtype, " differs by ", error);
    } catch (const DTypeError& e) {
      std::fprintf(stderr, "CUDA: %s: not stored in half: %s\n", c.name.c_str(), e.what());
      break;
    }
  }
  return "";
}

// Whether there is a card; says so once if not.
bool card() {
  static const bool there = [] {
    try {
      cuda_backend();
      return true;
    } catch (const DeviceError& e) {
      std::fprintf(stderr, "SKIPPED: CUDA parity of every op: %s\n", e.what());
      return false;
    }
  }();
  return there;
}

}  // namespace

std::string sweep_forward(const OpCase& c) {
  if (!c.reference) return "the row has no reference";
  for (uint64_t seed : {1, 2}) {
    const Tensor y = c.op(draw_all(c, seed, DType::f32, false));
    const Tensor want = c.reference(draw_all(c, seed, DType::f64, false));
    if (!(y.shape() == want.shape()))
      return str("shape is ", y.shape(), ", the reference says ", want.shape());
    const double error = relative_error(y, want);
    if (!(error <= c.forward_tolerance)) return str("relative error ", error, ", seed ", seed);
    const double error64 = relative_error(c.op(draw_all(c, seed, DType::f64, false)), want);
    if (!(error64 <= std::min(1e-12, c.forward_tolerance)) && y.dtype() == DType::f32)
      return str("relative error in f64 ", error64, ", seed ", seed);
  }
  return "";
}

std::string sweep_gradient(const OpCase& c) {
  if (!has_gradient(c)) return "";
  GradcheckOptions options;
  options.tolerance = c.gradient_tolerance;
  options.samples = c.gradient_samples;
  const Tensors inputs64 = draw_all(c, 3, DType::f64, true);
  const GradcheckResult result = gradcheck(c.op, inputs64, options);
  if (!result.ok) return result.message;
  const Tensors want = gradients(c, draw_all(c, 3, DType::f64, true));
  const Tensors inputs32 = draw_all(c, 3, DType::f32, true);
  const Tensors got = gradients(c, inputs32);
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (!inputs32[i].requires_grad()) continue;
    if (!got[i] || !want[i]) return str("input ", i, " got no gradient");
    const double error = relative_error(got[i], want[i]);
    if (!(error <= 2 * c.forward_tolerance))
      return str("f32 gradient of input ", i, " differs from f64 by ", error);
  }
  return "";
}

std::string sweep_accumulation(const OpCase& c) {
  if (!has_gradient(c)) return "";
  const Tensors once_inputs = draw_all(c, 4, DType::f32, true);
  const Tensors once = gradients(c, once_inputs);
  const int64_t live = memory::live_storages();
  {
    const Tensors inputs = draw_all(c, 4, DType::f32, true);
    for (std::size_t i = 0; i < inputs.size();
         ++i)  // a gradient set before: added to, not replaced
      if (inputs[i].requires_grad()) inputs[i].set_grad(once[i].clone());
    gradients(c, inputs);
    gradients(c, inputs);  // the op used twice on the same leaves
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (!inputs[i].requires_grad()) continue;
      const std::vector<float> a = inputs[i].grad().to_vector<float>(),
                               b = once[i].to_vector<float>();
      for (std::size_t k = 0; k < a.size(); ++k)
        if (a[k] != (b[k] + b[k]) + b[k])
          return str("gradient of input ", i, " element ", k, " is ", a[k], ", thrice ", b[k],
                     " expected");
    }
  }
  if (memory::live_storages() != live)
    return str(memory::live_storages() - live, " tensors leaked: a closure holds its own output");
  return "";
}

std::string sweep_parity(const OpCase& c) {
  if (!card()) return "";
  if (c.cuda_gap) {
    std::fprintf(stderr, "CUDA gap: %s: %s\n", c.name.c_str(), c.cuda_gap->c_str());
    return "";
  }
  struct Round {
    uint64_t seed;
    DType dtype;
    double forward, gradient;
  };
  for (const Round& r : {Round{5, DType::f32, 1e-5, 2e-5}, Round{6, DType::f32, 1e-5, 2e-5},
                         Round{7, DType::f64, 1e-11, 1e-10}}) {
    const std::string at = str(", ", r.dtype, ", seed ", r.seed);
    const Tensors cpu = draw_all(c, r.seed, r.dtype, true);
    const Tensors gpu = on_card(cpu, r.dtype);
    const Tensor want = c.op(cpu);
    Tensor y;
    try {
      y = c.op(gpu);
    } catch (const DTypeError& e) {  // f64 is for checking: not all have it
      if (r.dtype != DType::f64) return str("CUDA: ", e.what());
      std::fprintf(stderr, "CUDA: %s: no f64: %s\n", c.name.c_str(), e.what());
      continue;
    }
    const double error = parity_error(y.detach(), want.detach());
    if (!(error <= std::max(r.forward, c.cuda_tolerance)))
      return str("CUDA forward differs by ", error, at);
    if (!y.requires_grad()) continue;
    backward(y, projection(y.detach().to(Device{})).to(y.device()));
    backward(want, projection(want.detach()));
    for (std::size_t i = 0; i < cpu.size(); ++i) {
      if (!cpu[i].requires_grad()) continue;
      const double g = parity_error(gpu[i].grad(), cpu[i].grad());
      if (!(g <= std::max(r.gradient, c.cuda_tolerance)))
        return str("CUDA gradient of input ", i, " differs by ", g, at);
    }
  }
  return half_parity(c);
}

std::string sweep_devices(const OpCase& c) {
  if (!c.checked || c.cuda_gap || !card()) return "";
  const Tensors cpu = draw_all(c, 9, DType::f32, false);
  for (std::size_t i = 0; i < cpu.size() && cpu.size() > 1; ++i) {
    Tensors mixed = cpu;
    mixed[i] = mixed[i].to(Device{Device::cuda, 0});
    try {
      c.op(mixed);
      return str("input ", i, " on another device than the others: no error");
    } catch (const DeviceError& e) {
      const std::string text = e.what();
      if (text.find("cuda:0") == std::string::npos || text.find("cpu") == std::string::npos)
        return str("input ", i, " on another device: the error names no device: ", text);
    }
  }
  return "";
}

bool other_bodies = false;
bool only_parity = false;

std::string sweep_errors(const OpCase& c) {
  if (other_bodies) return "";
  for (const OpCase::Throws& t : c.throws) {
    std::string type = "nothing", text;
    try {
      t.call();
    } catch (const ShapeError& e) {
      type = "ShapeError", text = e.what();
    } catch (const DTypeError& e) {
      type = "DTypeError", text = e.what();
    } catch (const DeviceError& e) {
      type = "DeviceError", text = e.what();
    } catch (const Error& e) {
      type = "Error", text = e.what();
    }
    if (type != t.type || text != t.text)
      return str("expected ", t.type, " \"", t.text, "\", got ", type, " \"", text, "\"");
  }
  return "";
}

void run_sweeps(const std::vector<OpCase>& cases) {
  struct Sweep {
    const char* name;
    std::string (*run)(const OpCase&);
  };
  for (const OpCase& c : cases)
    for (const Sweep& s : {Sweep{"forward", sweep_forward}, Sweep{"gradient", sweep_gradient},
                           Sweep{"accumulation", sweep_accumulation}, Sweep{"parity", sweep_parity},
                           Sweep{"devices", sweep_devices}, Sweep{"errors", sweep_errors}})
      if (!only_parity || s.run == sweep_parity || s.run == sweep_devices)
        DYNAMIC_SECTION(c.name << ": " << s.name) { CHECK(s.run(c) == ""); }
}
