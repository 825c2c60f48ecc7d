// Rows of the op table: what training does to many tensors at once. These kernels write in place,
// so a row's op works on copies and returns all they wrote, one behind the other.
#include "autograd/ops/update.h"

#include <cmath>

#include "autograd/ops/shape.h"
#include "tests/catch.h"
#include "tests/ops/harness.h"

using namespace munet;

namespace {

const Shape kSmall{3, 5, 7}, kLarge{70001};  // the larger is more than one piece of a GPU's kernel

Tensors copies(const Tensors& in, const std::vector<std::size_t>& which) {
  Tensors all;
  for (std::size_t i : which) all.push_back(in[i].detach().clone());
  return all;
}
Tensor flat(const Tensors& parts) {
  Tensors lines;
  for (const Tensor& part : parts) lines.push_back(part.view({part.numel()}));
  return concat(lines, 0);
}
// y[i] = f(a[i], b[i]) for pairs of tensors, one behind the other.
Tensor naive(const Tensors& a, const Tensors& b, double (*f)(double, double)) {
  std::vector<double> y;
  for (std::size_t k = 0; k < a.size(); ++k)
    for (int64_t i = 0; i < a[k].numel(); ++i)
      y.push_back(f(a[k].data<double>()[i], b[k].data<double>()[i]));
  return Tensor::from(y, {int64_t(y.size())});
}

// Inputs p, g, m, v of one tensor and then of another; the second takes a later step.
constexpr double kBeta1 = 0.9, kBeta2 = 0.99, kEps = 1e-4, kRate = 0.01, kDecay = 0.1;
constexpr double kTime[2] = {1, 7};

Tensor adamw_op(const Tensors& in) {
  const Tensors x = copies(in, {0, 1, 2, 3, 4, 5, 6, 7});
  std::vector<kernels::AdamWStep> steps;
  for (std::size_t k = 0; k < 2; ++k)
    steps.push_back({x[4 * k], x[4 * k + 1], x[4 * k + 2], x[4 * k + 3], 1 - kRate * kDecay,
                     -kRate / (1 - std::pow(kBeta1, kTime[k])),
                     std::sqrt(1 - std::pow(kBeta2, kTime[k]))});
  kernels::adamw(x[0].device(), steps, {kBeta1, kBeta2, kEps});
  return flat({x[0], x[2], x[3], x[4], x[6], x[7]});
}

// Loshchilov and Hutter 2019, algorithm 2, with PyTorch's order of decay and step.
Tensor adamw_reference(const Tensors& in) {
  std::vector<double> y;
  for (std::size_t k = 0; k < 2; ++k) {
    std::vector<double> rows[3];
    for (int64_t i = 0; i < in[4 * k].numel(); ++i) {
      const auto at = [&](std::size_t j) { return in[4 * k + j].data<double>()[i]; };
      const double g = at(1), m = kBeta1 * at(2) + (1 - kBeta1) * g,
                   v = kBeta2 * at(3) + (1 - kBeta2) * g * g;
      const double m_hat = m / (1 - std::pow(kBeta1, kTime[k])),
                   v_hat = v / (1 - std::pow(kBeta2, kTime[k]));
      rows[0].push_back(at(0) - kRate * kDecay * at(0) - kRate * m_hat / (std::sqrt(v_hat) + kEps));
      rows[1].push_back(m);
      rows[2].push_back(v);
    }
    for (const std::vector<double>& row : rows) y.insert(y.end(), row.begin(), row.end());
  }
  return Tensor::from(y, {int64_t(y.size())});
}

std::vector<OpCase> kernel_cases() {
  const auto squared = [](int input, Tensor x) {
    if (input % 4 != 3) return x;
    for (double* v = x.data<double>(); v != x.data<double>() + x.numel(); ++v) *v *= *v;
    return x;
  };
  return {{.name = "adamw",
           .inputs = {kSmall, kSmall, kSmall, kSmall, kLarge, kLarge, kLarge, kLarge},
           .op = adamw_op,
           .reference = adamw_reference,
           .no_grad = {0, 1, 2, 3, 4, 5, 6, 7},
           .prepare = squared},
          {.name = "sums_of_squares",
           .inputs = {kSmall, kLarge},
           .op =
               [](const Tensors& in) {
                 return Tensor::from(kernels::sums_of_squares(in[0].device(), in), {2});
               },
           .reference =
               [](const Tensors& in) {
                 Tensor y = Tensor::zeros({2}, DType::f64);
                 for (std::size_t k = 0; k < 2; ++k)
                   for (int64_t i = 0; i < in[k].numel(); ++i)
                     y.data<double>()[k] += std::pow(in[k].data<double>()[i], 2);
                 return y;
               },
           .no_grad = {0, 1}},
          {.name = "move_toward",
           .inputs = {kSmall, kLarge, kSmall, kLarge},
           .op =
               [](const Tensors& in) {
                 const Tensors to = copies(in, {0, 1});
                 kernels::move_toward(to[0].device(), to, {in[2], in[3]}, 0.25);
                 return flat(to);
               },
           .reference =
               [](const Tensors& in) {
                 return naive({in[0], in[1]}, {in[2], in[3]},
                              [](double to, double from) { return 0.75 * to + 0.25 * from; });
               },
           .no_grad = {0, 1, 2, 3}},
          {.name = "scale_all",
           .inputs = {kSmall, kLarge},
           .op =
               [](const Tensors& in) {
                 const Tensors x = copies(in, {0, 1});
                 kernels::scale_all(x[0].device(), x, 0.3);
                 return flat(x);
               },
           .reference =
               [](const Tensors& in) {
                 return naive(in, in, [](double x, double) { return 0.3 * x; });
               },
           .no_grad = {0, 1}}};
}

std::vector<OpCase> update_cases() {
  std::vector<OpCase> cases = kernel_cases();
  for (OpCase& c : cases) c.checked = false;
  return cases;
}

}  // namespace

TEST_CASE("op/update", "[op][update]") { run_sweeps(update_cases()); }
