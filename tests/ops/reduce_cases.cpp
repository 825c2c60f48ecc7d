// Rows of the op table: reduce.
#include <algorithm>
#include <cmath>

#include "autograd/node.h"
#include "autograd/ops/reduce.h"
#include "tensor/parallel.h"
#include "tests/catch.h"
#include "tests/ops/harness.h"
#include "tests/support.h"

using namespace munet;

namespace {

// The sum over the marked axes, one element of x after the other.
Tensor naive_sum(const Tensor& x, const std::vector<bool>& marked, const Shape& result,
                 double factor) {
  Tensor y = Tensor::zeros(result, DType::f64);
  for (int64_t i = 0; i < x.numel(); ++i) {
    int64_t rest = i, place = 0, step = 1;
    for (int axis = x.rank() - 1; axis >= 0; --axis) {
      if (!marked[std::size_t(axis)]) {
        place += rest % x.dim(axis) * step;
        step *= x.dim(axis);
      }
      rest /= x.dim(axis);
    }
    y.data<double>()[place] += factor * x.data<double>()[i];
  }
  return y;
}

std::vector<OpCase> sum_cases() {
  struct Row {
    const char* name;
    Shape x;
    std::vector<int> axes;
    bool keep;
    std::vector<bool> marked;
    Shape y;
  };
  const std::vector<Row> rows = {
      {"all", {3, 5, 7}, {}, false, {true, true, true}, {}},
      {"last", {3, 5, 7}, {-1}, false, {false, false, true}, {3, 5}},
      {"middle", {3, 5, 7}, {1}, true, {false, true, false}, {3, 1, 7}},
      {"first", {3, 5, 7}, {0}, false, {true, false, false}, {5, 7}},
      {"n, h, w", {2, 3, 5, 7}, {0, 1, 2}, false, {true, true, true, false}, {7}},
      {"h, w", {2, 3, 5, 7}, {2, 1}, true, {false, true, true, false}, {2, 1, 1, 7}},
      {"two groups", {2, 3, 5, 7}, {0, 2}, false, {true, false, true, false}, {3, 7}},
      {"two groups to the end",
       {2, 3, 5, 7},
       {1, 3},
       true,
       {false, true, false, true},
       {2, 1, 5, 1}},
  };
  std::vector<OpCase> cases;
  for (const Row& r : rows) {
    for (const bool average : {false, true}) {
      double factor = 1;
      if (average)
        for (int axis = 0; axis < r.x.rank(); ++axis)
          if (r.marked[std::size_t(axis)]) factor /= double(r.x[axis]);
      cases.push_back(
          {.name = std::string(average ? "mean/" : "sum/") + r.name,
           .inputs = {r.x},
           .op =
               [r, average](const Tensors& in) {
                 return average ? mean(in[0], r.axes, r.keep) : sum(in[0], r.axes, r.keep);
               },
           .reference =
               [r, factor](const Tensors& in) { return naive_sum(in[0], r.marked, r.y, factor); },
           .low = 0.25});
    }
  }
  cases[0].throws = {
      {[] {
         sum(Tensor::zeros({2, 3}), {2});
       },
       "sum: there is no axis 2; x is [2, 3]"},
      {[] {
         mean(Tensor::zeros({2, 3}), {1, -1});
       },
       "mean: axis -1 is named twice; x is [2, 3]"},
      {[] { sum(Tensor()); }, "sum: expected a tensor; x is undefined", "Error"},
      {[] { sum(Tensor::zeros({2}, DType::u8)); },
       "sum: u8 is not computed on the CPU; cast to f32", "DTypeError"},
  };
  // Long enough for several blocks of rows, of columns, and of one row.
  const std::vector<std::pair<Shape, std::vector<int>>> large = {
      {{1031, 131}, {0}}, {{3, 1031, 67}, {1}}, {{3, 70001}, {1}}, {{5, 1301}, {0}}};
  for (const auto& [shape, axes] : large) {
    std::vector<bool> marked(std::size_t(shape.rank()), false);
    marked[std::size_t(axes[0])] = true;
    std::vector<int64_t> left;
    for (int i = 0; i < shape.rank(); ++i)
      if (!marked[std::size_t(i)]) left.push_back(shape[i]);
    cases.push_back({.name = str("sum/large ", shape),
                     .inputs = {shape},
                     .op = [axes = axes](const Tensors& in) { return sum(in[0], axes); },
                     .reference = [marked, y = Shape(left)](
                                      const Tensors& in) { return naive_sum(in[0], marked, y, 1); },
                     .low = 0.25,
                     .gradient_samples = 10});
  }
  return cases;
}

std::vector<OpCase> max_cases() {
  const auto naive = [](const Tensor& x, int64_t outer, int64_t size, int64_t inner,
                        const Shape& result) {
    Tensor y = Tensor::empty(result, DType::f64);
    for (int64_t o = 0; o < outer; ++o)
      for (int64_t i = 0; i < inner; ++i) {
        double best = -INFINITY;
        for (int64_t k = 0; k < size; ++k)
          best = std::max(best, x.data<double>()[(o * size + k) * inner + i]);
        y.data<double>()[o * inner + i] = best;
      }
    return y;
  };
  return {
      {.name = "max/middle",
       .inputs = {{3, 5, 7}},
       .op = [](const Tensors& in) { return max(in[0], 1); },
       .reference =
           [=](const Tensors& in) {
             return naive(in[0], 3, 5, 7, {3, 7});
           },
       .throws = {{[] {
                     max(Tensor::zeros({2, 3}), -3);
                   },
                   "max: there is no axis -3; x is [2, 3]"},
                  {[] {
                     max(Tensor::zeros({2, 0}), 1);
                   },
                   "max: expected at least one element along axis 1; x is [2, 0]"}},
       .kinks = true},
      {.name = "max/last, kept",
       .inputs = {{3, 5, 7}},
       .op = [](const Tensors& in) { return max(in[0], -1, true); },
       .reference =
           [=](const Tensors& in) {
             return naive(in[0], 15, 7, 1, {3, 5, 1});
           },
       .kinks = true},
      {.name = "max/first of 1031",
       .inputs = {{1031, 5}},
       .op = [](const Tensors& in) { return max(in[0], 0); },
       .reference = [=](const Tensors& in) { return naive(in[0], 1, 1031, 5, {5}); },
       .kinks = true,
       .gradient_samples = 20},
  };
}

std::vector<OpCase> argmax_cases() {
  const auto row = [](const char* name, const Shape& x, int axis, const Shape& result) {
    const int at = axis < 0 ? axis + x.rank() : axis;
    int64_t inner = 1;
    for (int i = at + 1; i < x.rank(); ++i) inner *= x[i];
    return OpCase{.name = str("argmax/", name),
                  .inputs = {x},
                  .op = [axis](const Tensors& in) { return argmax(in[0], axis); },
                  .reference =
                      [=, size = x[at]](const Tensors& in) {
                        Tensor y = Tensor::zeros(result, DType::f64);
                        for (int64_t i = 0; i < in[0].numel(); ++i) {
                          const int64_t k = i / inner % size,
                                        line = i / inner / size * inner + i % inner;
                          double& best = y.data<double>()[line];
                          const double* first = in[0].data<double>() + i - k * inner;
                          if (first[k * inner] > first[int64_t(best) * inner]) best = double(k);
                        }
                        return y;
                      },
                  .kinks = true,
                  .no_grad = {0}};
  };
  OpCase first = row("middle", {3, 5, 7}, 1, {3, 7});
  first.throws = {{[] {
                     argmax(Tensor::zeros({2, 3}), 2);
                   },
                   "argmax: there is no axis 2; x is [2, 3]"},
                  {[] {
                     argmax(Tensor::zeros({2, 0}), -1);
                   },
                   "argmax: expected at least one element along axis -1; x is [2, 0]"}};
  return {first, row("last of four", {2, 5, 7, 3}, -1, {2, 5, 7}),
          row("first of 1031", {1031, 5}, 0, {5})};
}

}  // namespace

TEST_CASE("op/reduce", "[op][reduce]") {
  run_sweeps(sum_cases());
  run_sweeps(max_cases());
  run_sweeps(argmax_cases());
}

TEST_CASE("max: the first of equal positions gets the gradient, NaN wins", "[op][reduce]") {
  const Tensor x = Tensor::from<float>({1, 4, 4, 2}, {4}).set_requires_grad();
  backward(max(x, 0));
  CHECK(x.grad().to_vector<float>() == std::vector<float>{0, 1, 0, 0});
  CHECK(argmax(x.detach(), 0).to_vector<int>() == std::vector<int>{1});
  const float nan = std::nanf("");
  CHECK(argmax(Tensor::from<float>({1, nan, 3, nan}, {4}), 0).to_vector<int>() ==
        std::vector<int>{1});
  CHECK(std::isnan(max(Tensor::from<float>({1, nan, 3}, {3}), 0).item()));
  CHECK(std::isnan(max(Tensor::from<float>({nan, 1, 3}, {3}), 0).item()));
}

TEST_CASE("sums of nothing", "[op][reduce]") {
  CHECK(sum(Tensor::zeros({0, 3}), {0}).to_vector<float>() == std::vector<float>{0, 0, 0});
  CHECK(sum(Tensor::zeros({3, 0}), {1}).to_vector<float>() == std::vector<float>{0, 0, 0});
  CHECK(sum(Tensor::zeros({0})).item() == 0);
  CHECK(std::isnan(mean(Tensor::zeros({0})).item()));
}

TEST_CASE("a sum of millions keeps its digits and does not depend on threads", "[op][reduce]") {
  // 0.1f added up in f32 would be off by percents.
  const Tensor x = Tensor::full({3'000'001}, 0.1f);
  CHECK(sum(x).item() == Approx(3'000'001 * double(0.1f)).epsilon(2e-7));
  const Tensor noise = random_tensor({1'000'003}, 9);
  const double with_all = sum(noise).item();
  const int threads = num_threads();
  set_num_threads(1);
  CHECK(sum(noise).item() == with_all);
  set_num_threads(threads);
}
