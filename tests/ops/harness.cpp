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
  static const bool device = [] {
    try {
      cuda_backend();
      return true;
    } catch (const DeviceError& e) {
      std::fprintf(stderr, "SKIPPED: CUDA parity of every op: %s\n", e.what());
      return false;
    }
  }();
  if (!device) return "";
  if (c.cuda_gap) {
    std::fprintf(stderr, "CUDA gap: %s: %s\n", c.name.c_str(), c.cuda_gap->c_str());
    return "";
  }
  for (uint64_t seed : {5, 6}) {
    const Tensors cpu = draw_all(c, seed, DType::f32, true);
    Tensors gpu;
    for (const Tensor& x : cpu) {
      gpu.push_back(x.detach().to(Device{Device::cuda, 0}));
      if (x.requires_grad()) gpu.back().set_requires_grad();
    }
    const double error = relative_error(c.op(gpu).detach(), c.op(cpu).detach());
    if (!(error <= 1e-5)) return str("CUDA forward differs by ", error, ", seed ", seed);
    const Tensor y = c.op(gpu);
    if (!y.requires_grad()) continue;
    backward(y, projection(y.detach().to(Device{})).to(y.device()));
    const Tensors want = gradients(c, cpu);
    for (std::size_t i = 0; i < cpu.size(); ++i) {
      if (!cpu[i].requires_grad()) continue;
      const double g = relative_error(gpu[i].grad(), want[i]);
      if (!(g <= 2e-5)) return str("CUDA gradient of input ", i, " differs by ", g);
    }
  }
  return "";
}

bool other_bodies = false;

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
                           Sweep{"errors", sweep_errors}})
      DYNAMIC_SECTION(c.name << ": " << s.name) { CHECK(s.run(c) == ""); }
}
