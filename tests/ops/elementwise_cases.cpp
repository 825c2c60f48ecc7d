// Rows of the op table: elementwise.
#include <cmath>
#include <limits>

#include "autograd/node.h"
#include "autograd/ops/elementwise.h"
#include "tests/catch.h"
#include "tests/ops/harness.h"

using namespace munet;

namespace {

// The element of x that belongs to place `at` of a result of rank `rank`, by NumPy's rule.
double broadcast_at(const Tensor& x, const std::vector<int64_t>& at) {
  int64_t i = 0;
  for (int axis = 0; axis < x.rank(); ++axis) {
    const int64_t place = at[at.size() - std::size_t(x.rank()) + std::size_t(axis)];
    i = i * x.dim(axis) + (x.dim(axis) == 1 ? 0 : place);
  }
  return x.data<double>()[i];
}

// y[place] = f(a[place], b[place]) for every place of `shape`.
Tensor naive_binary(const Tensor& a, const Tensor& b, const Shape& shape,
                    double (*f)(double, double)) {
  Tensor y = Tensor::empty(shape, DType::f64);
  for (int64_t i = 0; i < y.numel(); ++i) {
    std::vector<int64_t> at(std::size_t(shape.rank()));
    int64_t rest = i;
    for (int axis = shape.rank() - 1; axis >= 0; --axis) {
      at[std::size_t(axis)] = rest % shape[axis];
      rest /= shape[axis];
    }
    y.data<double>()[i] = f(broadcast_at(a, at), broadcast_at(b, at));
  }
  return y;
}

struct BinaryOp {
  std::string name;
  Tensor (*op)(const Tensor&, const Tensor&);
  double (*f)(double, double);
};

// One row per way in which two shapes can meet; values stay in [0.5, 2], so that div is tame.
std::vector<OpCase> binary_cases(const BinaryOp& o) {
  struct Meeting {
    const char* name;
    Shape a, b, y;
  };
  const std::vector<Meeting> meetings = {
      {"equal", {3, 5, 7}, {3, 5, 7}, {3, 5, 7}},
      {"channels", {2, 3, 5, 7}, {7}, {2, 3, 5, 7}},
      {"batch", {2, 3, 5, 7}, {1, 3, 5, 7}, {2, 3, 5, 7}},
      {"one channel", {2, 3, 5, 7}, {2, 3, 5, 1}, {2, 3, 5, 7}},
      {"both repeat", {3, 1, 5, 1}, {2, 1, 7}, {3, 2, 5, 7}},
      {"left is smaller", {5, 1}, {2, 3, 5, 7}, {2, 3, 5, 7}},
      {"scalar", {}, {3, 5}, {3, 5}},
      {"one element", {1, 1}, {1}, {1, 1}},
  };
  std::vector<OpCase> cases;
  for (const Meeting& m : meetings)
    cases.push_back(
        {.name = o.name + "/" + m.name,
         .inputs = {m.a, m.b},
         .op = [o](const Tensors& in) { return o.op(in[0], in[1]); },
         .reference = [o,
                       y = m.y](const Tensors& in) { return naive_binary(in[0], in[1], y, o.f); },
         .low = 0.5,
         .high = 2});
  const std::string n = o.name;
  cases[0].throws = {
      {[o] {
         o.op(Tensor::zeros({2, 3}), Tensor::zeros({2}));
       },
       n + ": expected sizes that agree or are 1, from the last axis on; a is [2, 3], b is [2]"},
      {[o] {
         o.op(Tensor::zeros({2, 3}), Tensor::zeros({3}, DType::f64));
       },
       n + ": expected equal dtypes; a is f32 [2, 3], b is f64 [3]", "DTypeError"},
      {[o] { o.op(Tensor::zeros({2}, DType::i32), Tensor::zeros({2}, DType::i32)); },
       n + ": i32 is not computed on the CPU; cast to f32", "DTypeError"},
      {[o] { o.op(Tensor::zeros({2}), Tensor()); }, n + ": expected two tensors; b is undefined",
       "Error"},
  };
  return cases;
}

OpCase unary_case(const std::string& name, Tensor (*op)(const Tensor&), double (*f)(double),
                  double low, double high) {
  return {
      .name = name,
      .inputs = {{3, 5, 7}},
      .op = [op](const Tensors& in) { return op(in[0]); },
      .reference =
          [f](const Tensors& in) {
            Tensor y = in[0].clone();
            for (int64_t i = 0; i < y.numel(); ++i) y.data<double>()[i] = f(y.data<double>()[i]);
            return y;
          },
      .throws = {{[op] { op(Tensor()); },
                  name.substr(0, name.find('/')) + ": expected a tensor; x is undefined", "Error"}},
      .low = low,
      .high = high,
      .kinks = true};
}

std::vector<OpCase> unary_cases() {
  std::vector<OpCase> cases = {
      unary_case(
          "scale", [](const Tensor& x) { return scale(x, -1.7, 0.3); },
          [](double x) { return -1.7 * x + 0.3; }, -2, 2),
      unary_case(
          "relu", relu, [](double x) { return x > 0 ? x : 0.0; }, -1, 1),
      unary_case(
          "sigmoid", sigmoid, [](double x) { return 1 / (1 + std::exp(-x)); }, -6, 6),
      unary_case(
          "exp", munet::exp, [](double x) { return std::exp(x); }, -3, 3),
      unary_case(
          "log", munet::log, [](double x) { return std::log(x); }, 0.1, 4),
      unary_case(
          "clamp", [](const Tensor& x) { return clamp(x, -0.5, 0.7); },
          [](double x) { return x < -0.5  ? -0.5
                                : x > 0.7 ? 0.7
                                          : x; }, -1, 1),
      unary_case(
          "cast/to f64", [](const Tensor& x) { return cast(x, DType::f64); },
          [](double x) { return x; }, -2, 2),
  };
  cases[5].throws.push_back({[] { clamp(Tensor::zeros({2}), 1, 0.5); },
                             "clamp: expected low <= high; given 1 and 0.5", "Error"});
  // More than one range of the pool, and a size that no vector width divides.
  OpCase large = unary_case(
      "relu/40013 elements", relu, [](double x) { return x > 0 ? x : 0.0; }, -1, 1);
  large.inputs = {Shape{40013}};
  large.gradient_samples = 20;
  cases.push_back(large);
  return cases;
}

}  // namespace

TEST_CASE("op/elementwise", "[op][elementwise]") {
  run_sweeps(binary_cases({"add", add, [](double a, double b) { return a + b; }}));
  run_sweeps(binary_cases({"sub", sub, [](double a, double b) { return a - b; }}));
  run_sweeps(binary_cases({"mul", mul, [](double a, double b) { return a * b; }}));
  run_sweeps(binary_cases({"div", munet::div, [](double a, double b) { return a / b; }}));
  run_sweeps(unary_cases());
}

TEST_CASE("a tensor met with itself gets both gradients", "[op][elementwise]") {
  const auto gradient = [](Tensor (*op)(const Tensor&, const Tensor&)) {
    const Tensor x = Tensor::full({}, 3, DType::f64).set_requires_grad();
    backward(op(x, x));
    return x.grad().item();
  };
  CHECK(gradient(add) == 2);
  CHECK(gradient(sub) == 0);
  CHECK(gradient(mul) == 6);
  CHECK(gradient(munet::div) == 0);
}

TEST_CASE("activations at their limits", "[op][elementwise]") {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::nanf("");
  const Tensor x = Tensor::from<float>({-inf, -1e4f, 0, 1e4f, inf, nan}, {6}).set_requires_grad();
  const std::vector<float> s = sigmoid(x.detach()).to_vector<float>();
  CHECK(s[0] == 0);
  CHECK(s[1] == 0);
  CHECK(s[2] == 0.5f);
  CHECK(s[3] == 1);
  CHECK(s[4] == 1);
  CHECK(std::isnan(s[5]));
  const std::vector<float> r = relu(x.detach()).to_vector<float>();
  CHECK(r[0] == 0);
  CHECK(r[4] == inf);
  CHECK(std::isnan(r[5]));  // a broken network must not look healthy
  CHECK(std::isnan(clamp(x.detach(), -1, 1).to_vector<float>()[5]));

  backward(relu(x), Tensor::full({6}, 1));
  CHECK(x.grad().to_vector<float>()[2] == 0);  // relu'(0) = 0
  x.set_grad({});
  backward(clamp(x, -1e4, 1e4), Tensor::full({6}, 1));
  const std::vector<float> g = x.grad().to_vector<float>();
  CHECK(g[0] == 0);
  CHECK(g[1] == 1);  // the limits themselves pass
  CHECK(g[3] == 1);
  CHECK(g[4] == 0);
  x.set_grad({});
  backward(sigmoid(x), Tensor::full({6}, 1));
  CHECK(x.grad().to_vector<float>()[1] == 0);
}

TEST_CASE("cast: integers leave the graph, halves keep it", "[op][elementwise]") {
  const Tensor x = Tensor::from<float>({-1.75f, 0.1f, 2.5f}, {3}).set_requires_grad();
  const Tensor whole = cast(x, DType::i32);
  CHECK(whole.to_vector<int>() == std::vector<int>{-1, 0, 2});
  CHECK_FALSE(whole.requires_grad());
  backward(cast(x, DType::f16), Tensor::full({3}, 0.5, DType::f16));
  CHECK(x.grad().dtype() == DType::f32);
  CHECK(x.grad().to_vector<float>() == std::vector<float>{0.5f, 0.5f, 0.5f});
  CHECK(cast(x, DType::f32).grad_slot() == x.grad_slot());  // nothing to do
}

TEST_CASE("an empty tensor passes through", "[op][elementwise]") {
  CHECK(add(Tensor::zeros({0, 3}), Tensor::zeros({3})).shape() == Shape{0, 3});
  CHECK(add(Tensor::zeros({2, 0, 3}), Tensor::zeros({1, 3})).shape() == Shape{2, 0, 3});
  CHECK(relu(Tensor::zeros({0})).numel() == 0);
}
