// Rows of the op table: matching in a window, the cost volume.
#include <cmath>

#include "autograd/node.h"
#include "autograd/ops/correlation.h"
#include "autograd/ops/norm.h"
#include "tensor/parallel.h"
#include "tests/catch.h"
#include "tests/ops/harness.h"
#include "tests/support.h"

using namespace munet;

namespace {

// Eq. (1): hypothesis (v, u) of each position; `outside` where the target is not in the frame.
std::vector<double> naive_costs(const Tensor& f_t, const Tensor& f_prev, int window,
                                double outside) {
  const int64_t n = f_t.dim(0), h = f_t.dim(1), w = f_t.dim(2), c = f_t.dim(3), r = window / 2;
  std::vector<double> costs;
  for (int64_t b = 0; b < n; ++b)
    for (int64_t y = 0; y < h; ++y)
      for (int64_t x = 0; x < w; ++x)
        for (int64_t v = -r; v <= r; ++v)
          for (int64_t u = -r; u <= r; ++u) {
            if (y + v < 0 || y + v >= h || x + u < 0 || x + u >= w) {
              costs.push_back(outside);
              continue;
            }
            double cost = 0;
            for (int64_t k = 0; k < c; ++k)
              cost += f_t.data<double>()[((b * h + y) * w + x) * c + k] *
                      f_prev.data<double>()[((b * h + y + v) * w + x + u) * c + k];
            costs.push_back(cost);
          }
  return costs;
}

Tensor naive_match(const Tensor& f_t, const Tensor& f_prev, const MatchOptions& o) {
  const bool exclude = o.border == Border::exclude;
  const std::vector<double> costs = naive_costs(f_t, f_prev, o.window, exclude ? NAN : 0);
  const int64_t window = o.window, r = window / 2, all = window * window;
  Tensor y = Tensor::empty({f_t.dim(0), f_t.dim(1), f_t.dim(2), 3}, DType::f64);
  for (int64_t i = 0; i < y.numel() / 3; ++i) {
    double total = 0, ux = 0, uy = 0, best = -INFINITY;
    for (int64_t k = 0; k < all; ++k) {
      const double cost = costs[std::size_t(i * all + k)];
      if (std::isnan(cost)) continue;
      const double e = std::exp(o.sign * cost / o.temperature);
      total += e;
      ux += e * double(k % window - r);
      uy += e * double(k / window - r);
      best = std::max(best, cost);
    }
    y.data<double>()[i * 3] = ux / total;
    y.data<double>()[i * 3 + 1] = uy / total;
    y.data<double>()[i * 3 + 2] = best;
  }
  return y;
}

OpCase match_case(const char* name, Shape shape, MatchOptions o) {
  return {.name = str("match_window/", name),
          .inputs = {shape, shape},
          .op = [o](const Tensors& in) { return match_window(in[0], in[1], o); },
          .reference = [o](const Tensors& in) { return naive_match(in[0], in[1], o); }};
}

std::vector<OpCase> correlation_cases() {
  OpCase first = match_case("zero border", {2, 5, 7, 3}, {.window = 5});
  first.throws = {
      {[] {
         match_window(Tensor::zeros({2, 5, 7, 3}), Tensor::zeros({2, 5, 7, 4}));
       },
       "match_window: expected f_t and f_prev [n,h,w,c] of one shape; given [2, 5, 7, 3] and [2, "
       "5, 7, 4]"},
      {[] {
         match_window(Tensor::zeros({2, 5, 7, 3}), Tensor::zeros({2, 5, 7, 3}), {.window = 4});
       },
       "match_window: expected an odd window; given 4", "Error"},
      {[] {
         match_window(Tensor::zeros({2, 5, 7, 3}), Tensor::zeros({2, 5, 7, 3}), {.temperature = 0});
       },
       "match_window: expected a positive temperature; given 0", "Error"},
      {[] {
         match_window(Tensor::zeros({2, 5, 7, 3}), Tensor::zeros({2, 5, 7, 3}), {.sign = 2});
       },
       "match_window: expected sign -1 or 1; given 2", "Error"},
      {[] {
         match_window(Tensor::zeros({2, 5, 7, 3}), Tensor::zeros({2, 5, 7, 3}, DType::f64));
       },
       "match_window: expected f_t and f_prev of one type; given f32 and f64", "DTypeError"}};
  OpCase large =
      match_case("wider than a panel", {2, 4, 37, 5},
                 {.window = 9, .temperature = 0.3, .sign = 1, .border = Border::exclude});
  large.gradient_samples = 40;
  OpCase large_zero = match_case("wider than a panel, zero border", {2, 4, 37, 5},
                                 {.window = 9, .temperature = 0.3});
  large_zero.gradient_samples = 40;
  const Shape small{2, 5, 7, 3};
  // Costs below 0: wherever the window leaves the frame, the zeros outside hold the maximum.
  OpCase negative = match_case("zero border, negative costs", small, {.window = 3});
  negative.prepare = [](int input, Tensor x) {
    for (int64_t i = 0; i < x.numel(); ++i)
      x.data<double>()[i] = (input ? -0.1 : 0.1) - (input ? 1 : -1) * std::abs(x.data<double>()[i]);
    return x;
  };
  return {
      first,
      negative,
      match_case("zero border, best", small, {.window = 5, .temperature = 0.4, .sign = 1}),
      match_case("exclude", small, {.window = 5, .border = Border::exclude}),
      match_case("exclude, best", small,
                 {.window = 5, .temperature = 0.4, .sign = 1, .border = Border::exclude}),
      match_case("window larger than the map", small, {.window = 25}),
      match_case("window larger than the map, exclude", small,
                 {.temperature = 0.4, .sign = 1, .border = Border::exclude}),
      match_case("window of one", {2, 3, 5, 4}, {.window = 1}),
      large,
      large_zero,
      {.name = "cost_volume/odd",
       .inputs = {small, small},
       .op = [](const Tensors& in) { return cost_volume(in[0], in[1], 9); },
       .reference =
           [](const Tensors& in) {
             return Tensor::from(naive_costs(in[0], in[1], 9, 0), {2, 5, 7, 81});
           },
       .throws = {{[] {
                     cost_volume(Tensor::zeros({2, 5, 7}), Tensor::zeros({2, 5, 7}), 9);
                   },
                   "cost_volume: expected f_t and f_prev [n,h,w,c] of one shape; given [2, 5, 7] "
                   "and [2, 5, 7]"}},
       .no_grad = {0, 1}},
  };
}

}  // namespace

TEST_CASE("op/correlation", "[op][correlation]") { run_sweeps(correlation_cases()); }

TEST_CASE("match_window gives a tie's gradient to the first hypothesis", "[op][correlation]") {
  // All costs are 0, those outside too. The first of a position's nine hypotheses is up and left.
  Tensor f_t = Tensor::zeros({1, 3, 4, 2}).set_requires_grad();
  const Tensor f_prev = random_tensor({1, 3, 4, 2}, 1, 1, 2);
  const Tensor gy = Tensor::zeros({1, 3, 4, 3});
  for (int i = 0; i < 12; ++i) gy.data<float>()[i * 3 + 2] = 1;
  for (Border border : {Border::zero, Border::exclude}) {
    f_t.set_grad({});
    backward(match_window(f_t, f_prev, {.window = 3, .border = border}), gy);
    for (int y = 0; y < 3; ++y)
      for (int x = 0; x < 4; ++x) {
        const bool outside = y == 0 || x == 0;
        const int first = std::max(y - 1, 0) * 4 + std::max(x - 1, 0);
        const float want =
            outside && border == Border::zero ? 0 : f_prev.data<float>()[first * 2 + 1];
        CHECK(f_t.grad().data<float>()[(y * 4 + x) * 2 + 1] == want);
      }
  }
}

TEST_CASE("match_window finds a shift", "[op][correlation]") {
  const int64_t h = 13, w = 19, c = 24;
  const Tensor f_prev = l2_normalize(random_tensor({1, h, w, c}, 1));
  Tensor f_t = Tensor::zeros({1, h, w, c});  // f_t(x) = f_prev(x + (3, -2))
  for (int64_t y = 2; y < h; ++y)
    for (int64_t x = 0; x + 3 < w; ++x)
      std::copy_n(f_prev.data<float>() + ((y - 2) * w + x + 3) * c, c,
                  f_t.data<float>() + (y * w + x) * c);
  const Tensor y = match_window(
      f_t, f_prev, {.window = 9, .temperature = 0.01, .sign = 1, .border = Border::exclude});
  const float* at = y.data<float>() + (6 * w + 8) * 3;
  CHECK(at[0] == Approx(3).epsilon(1e-4));
  CHECK(at[1] == Approx(-2).epsilon(1e-4));
  CHECK(at[2] == Approx(1).epsilon(1e-6));
}

TEST_CASE("match_window is the reduced cost_volume at the network's sizes", "[op][correlation]") {
  const Tensor f_t = l2_normalize(random_tensor({1, 30, 54, 64}, 1));
  const Tensor f_prev = l2_normalize(random_tensor({1, 30, 54, 64}, 2));
  const Tensor costs = cost_volume(f_t, f_prev, 25);
  Tensor want = Tensor::empty({1, 30, 54, 3}, DType::f64);
  for (int64_t i = 0; i < 30 * 54; ++i) {
    const float* cost = costs.data<float>() + i * 625;
    double total = 0, ux = 0, uy = 0;
    for (int64_t k = 0; k < 625; ++k) {
      const double e = std::exp(-double(cost[k]) / 0.1);
      total += e;
      ux += e * double(k % 25 - 12);
      uy += e * double(k / 25 - 12);
    }
    want.data<double>()[i * 3] = ux / total;
    want.data<double>()[i * 3 + 1] = uy / total;
    want.data<double>()[i * 3 + 2] = double(*std::max_element(cost, cost + 625));
  }
  CHECK(relative_error(match_window(f_t, f_prev, {.temperature = 0.1}), want) < 2e-6);
}

TEST_CASE("match_window does not overflow", "[op][correlation]") {
  const Tensor f = random_tensor({1, 5, 7, 3}, 1, -100, 100);  // costs up to 1e4
  for (double sign : {-1.0, 1.0}) {
    const Tensor y = match_window(f, f, {.window = 5, .sign = sign});
    CHECK(relative_error(y, match_window(f.to(DType::f64), f.to(DType::f64),
                                         {.window = 5, .sign = sign})) < 1e-4);
  }
}

TEST_CASE("match_window is the same for any number of threads", "[op][correlation]") {
  const int before = num_threads();
  const Tensor f_t = random_tensor({2, 7, 21, 16}, 1), f_prev = random_tensor({2, 7, 21, 16}, 2);
  std::vector<std::vector<float>> results;
  for (int threads : {1, 2, 3}) {
    set_num_threads(threads);
    results.push_back(match_window(f_t, f_prev, {.window = 9}).to_vector<float>());
  }
  set_num_threads(before);
  CHECK(results[0] == results[1]);
  CHECK(results[0] == results[2]);
}
