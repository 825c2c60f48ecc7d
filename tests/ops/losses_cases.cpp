// Rows of the op table: cross entropy, soft aggregation, mask IoU.
#include <algorithm>
#include <cmath>

#include "autograd/node.h"
#include "autograd/ops/softmax.h"
#include "tensor/random.h"
#include "tests/catch.h"
#include "tests/ops/harness.h"
#include "tests/support.h"

using namespace munet;

namespace {

// Labels 0..k-1 in place of input 1's numbers.
std::function<Tensor(int, Tensor)> labels_below(int64_t k) {
  return [k](int input, Tensor x) {
    if (input != 1) return x;
    Tensor labels = Tensor::empty(x.shape(), DType::u8);
    for (int64_t i = 0; i < x.numel(); ++i)
      labels.data<uint8_t>()[i] =
          uint8_t(random_bits(uint64_t(1e6 * (1 + x.data<double>()[i])), 0) % uint64_t(k));
    return labels;
  };
}

Tensor naive_cross_entropy(const Tensor& logits, const Tensor& labels, double keep) {
  const int64_t n = logits.dim(0), p = logits.dim(1) * logits.dim(2), k = logits.dim(3);
  double mean = 0;
  for (int64_t image = 0; image < n; ++image) {
    std::vector<double> losses;
    for (int64_t i = image * p; i < (image + 1) * p; ++i) {
      double total = 0;
      for (int64_t j = 0; j < k; ++j) total += std::exp(logits.data<double>()[i * k + j]);
      losses.push_back(
          -std::log(std::exp(logits.data<double>()[i * k + labels.data<uint8_t>()[i]]) / total));
    }
    std::sort(losses.begin(), losses.end());
    const int64_t kept = std::max<int64_t>(1, int64_t(std::floor(keep * double(p))));
    double sum = 0;
    for (int64_t i = p - kept; i < p; ++i) sum += losses[std::size_t(i)];
    mean += sum / double(kept) / double(n);
  }
  return Tensor::full({}, mean, DType::f64);
}

OpCase cross_entropy_case(const char* name, Shape logits, double keep) {
  return {.name = name,
          .inputs = {logits, {logits[0], logits[1], logits[2]}},
          .op = [=](const Tensors& in) { return cross_entropy(in[0], in[1], keep); },
          .reference = [=](const Tensors& in) { return naive_cross_entropy(in[0], in[1], keep); },
          .low = -3,
          .high = 3,
          .no_grad = {1},
          .prepare = labels_below(logits[3])};
}

// network.md 8 as first stated, with products of probabilities: exact enough in f64 for |z| <= 8.
Tensor naive_soft_aggregate(const Tensor& z) {
  const int64_t n = z.dim(0), p = z.dim(1) * z.dim(2);
  Tensor y = Tensor::empty({1, z.dim(1), z.dim(2), n + 1}, DType::f64);
  const auto logit = [](double e) {
    e = std::min(std::max(e, 1e-7), 1 - 1e-7);
    return std::log(e / (1 - e));
  };
  for (int64_t i = 0; i < p; ++i) {
    double none = 1;
    for (int64_t k = 0; k < n; ++k) {
      const double probability = 1 / (1 + std::exp(-z.data<double>()[k * p + i]));
      none *= 1 - probability;
      y.data<double>()[i * (n + 1) + k + 1] = logit(probability);
    }
    y.data<double>()[i * (n + 1)] = logit(none);
  }
  return y;
}

Tensor naive_mask_iou(const Tensor& probability, const Tensor& labels) {
  const int64_t k = probability.dim(3);
  double loss = 0;
  int64_t objects = 0;
  for (int64_t j = 1; j < k; ++j) {
    double smaller = 0, larger = 0, size = 0;
    for (int64_t i = 0; i < labels.numel(); ++i) {
      const double m = labels.data<uint8_t>()[i] == j ? 1 : 0,
                   p = probability.data<double>()[i * k + j];
      smaller += std::min(p, m);
      larger += std::max(p, m);
      size += m;
    }
    if (size > 0) loss += 1 - smaller / larger, ++objects;
  }
  return Tensor::full({}, objects ? loss / double(objects) : 0, DType::f64);
}

std::vector<OpCase> loss_cases() {
  std::vector<OpCase> cases = {
      cross_entropy_case("cross_entropy/plain", {2, 5, 7, 3}, 1),
      cross_entropy_case("cross_entropy/bootstrapped", {2, 5, 7, 3}, 0.4),
      cross_entropy_case("cross_entropy/one pixel", {2, 5, 7, 3}, 0.001),
      cross_entropy_case("cross_entropy/many pixels", {1, 71, 67, 4}, 0.4),
      {.name = "soft_aggregate/three objects",
       .inputs = {{3, 5, 7}},
       .op = [](const Tensors& in) { return soft_aggregate(in[0]); },
       .reference = [](const Tensors& in) { return naive_soft_aggregate(in[0]); },
       .throws = {{[] {
                     soft_aggregate(Tensor::zeros({1, 3, 5, 7}));
                   },
                   "soft_aggregate: expected z [n,h,w]; given [1, 3, 5, 7]"}},
       .low = -8,
       .high = 8},
      {.name = "soft_aggregate/many pixels",
       .inputs = {{2, 71, 67}},
       .op = [](const Tensors& in) { return soft_aggregate(in[0]); },
       .reference = [](const Tensors& in) { return naive_soft_aggregate(in[0]); },
       .low = -8,
       .high = 8,
       .gradient_samples = 20},
      {.name = "mask_iou_loss/four objects, 3 absent",
       .inputs = {{1, 5, 7, 5}, {1, 5, 7}},
       .op = [](const Tensors& in) { return mask_iou_loss(in[0], in[1]); },
       .reference = [](const Tensors& in) { return naive_mask_iou(in[0], in[1]); },
       .throws =
           {{[] {
               mask_iou_loss(Tensor::zeros({2, 3, 5, 4}), Tensor::zeros({2, 3, 5}, DType::u8));
             },
             "mask_iou_loss: expected one image; given [2, 3, 5, 4]"},
            {[] {
               mask_iou_loss(Tensor::zeros({1, 3, 5, 4}), Tensor::zeros({1, 5, 3}, DType::u8));
             },
             "mask_iou_loss: expected probability [n,h,w,k] and labels [n,h,w], not empty; "
             "given [1, 3, 5, 4] and [1, 5, 3]"}},
       .low = 0.01,
       .high = 0.99,
       .no_grad = {1},
       .prepare =
           [](int input, Tensor x) {
             x = labels_below(5)(input, x);
             if (input == 1)
               for (int64_t i = 0; i < x.numel(); ++i)
                 if (x.data<uint8_t>()[i] == 3) x.data<uint8_t>()[i] = 0;
             return x;
           }},
      {.name = "mask_iou_loss/many pixels",
       .inputs = {{1, 71, 67, 3}, {1, 71, 67}},
       .op = [](const Tensors& in) { return mask_iou_loss(in[0], in[1]); },
       .reference = [](const Tensors& in) { return naive_mask_iou(in[0], in[1]); },
       .low = 0.01,
       .high = 0.99,
       .no_grad = {1},
       .prepare = labels_below(3),
       .gradient_samples = 20},
  };
  cases[3].gradient_samples = 20;
  const Tensor logits = Tensor::zeros({1, 2, 3, 4}), labels = Tensor::full({1, 2, 3}, 7, DType::u8);
  cases[0].throws = {
      {[=] { cross_entropy(logits, labels); }, "cross_entropy: expected labels below 4; given 7",
       "Error"},
      {[=] {
         cross_entropy(logits, Tensor::zeros({1, 3, 2}, DType::u8));
       },
       "cross_entropy: expected logits [n,h,w,k] and labels [n,h,w], not empty; given [1, 2, 3, 4] "
       "and [1, 3, 2]"},
      {[=] {
         cross_entropy(logits, Tensor::zeros({1, 2, 3}));
       },
       "cross_entropy: expected labels of u8; given f32", "DTypeError"},
      {[=] { cross_entropy(logits, labels, 0); }, "cross_entropy: expected 0 < keep <= 1; given 0",
       "Error"},
  };
  return cases;
}

const double kLimit = std::log((1 - 1e-7) / 1e-7);

}  // namespace

TEST_CASE("op/losses", "[op][losses]") { run_sweeps(loss_cases()); }

TEST_CASE("cross_entropy: ties at the threshold go to the lower index", "[op][losses]") {
  // Five equal pixels; floor(0.5 * 5) = 2 are kept: the first two.
  const Tensor logits = Tensor::zeros({1, 1, 5, 3}).set_requires_grad();
  backward(cross_entropy(logits, Tensor::zeros({1, 1, 5}, DType::u8), 0.5));
  const std::vector<float> g = logits.grad().to_vector<float>();
  for (int pixel = 0; pixel < 5; ++pixel) {
    CHECK(g[std::size_t(3 * pixel)] == Approx(pixel < 2 ? -1 / 3.0 : 0));
    CHECK(g[std::size_t(3 * pixel + 1)] == Approx(pixel < 2 ? 1 / 6.0 : 0));
  }
}

TEST_CASE("cross_entropy: large logits stay finite, NaN shows", "[op][losses]") {
  const Tensor labels = Tensor::zeros({1, 1, 2}, DType::u8);
  const Tensor far = Tensor::from<float>({-1e4f, 1e4f, 1e4f, -1e4f}, {1, 1, 2, 2});
  CHECK(cross_entropy(far, labels).item() == Approx(1e4));
  const Tensor broken = Tensor::from<float>({std::nanf(""), 0, 5, 5}, {1, 1, 2, 2});
  CHECK(std::isnan(cross_entropy(broken, labels, 0.5).item()));
}

TEST_CASE("soft_aggregate: the limits", "[op][losses]") {
  for (const DType dtype : {DType::f32, DType::f64}) {
    // Pixels: all far below, all far above, one above, a mix, all so small that b rounds to 1.
    const Tensor z = Tensor::from<double>({-1e4, 1e4, -1e4, 3, -40,  //
                                           -1e4, 1e4, 1e4, -2, -17},
                                          {2, 1, 5})
                         .to(dtype)
                         .set_requires_grad();
    const Tensor logits = soft_aggregate(z);
    const std::vector<double> y = logits.to_vector<double>();
    for (double v : y) CHECK(std::abs(v) <= kLimit * (1 + 1e-6));
    CHECK(y[0] == Approx(kLimit));  // nobody there: background
    CHECK(y[1] == Approx(-kLimit));
    CHECK(y[3] == Approx(-kLimit));  // both there: no background
    CHECK(y[4] == Approx(kLimit));
    CHECK(y[6] == Approx(-kLimit));
    CHECK(y[9] == Approx(-std::log(std::exp(3) + std::exp(-2) + std::exp(1))));
    CHECK(y[12] == Approx(kLimit));  // q = e^-17 lies below 1e-7
    backward(logits, Tensor::full(logits.shape(), 1, dtype));
    const std::vector<double> g = z.grad().to_vector<double>();
    for (int i : {0, 1, 2, 4, 5, 6, 7, 9}) CHECK(g[std::size_t(i)] == 0);
    CHECK(std::isfinite(g[3]));
    CHECK(g[3] != 0);
  }
}

TEST_CASE("soft_aggregate: f32 against f64, from one object to seven", "[op][losses]") {
  for (int64_t n = 1; n <= 7; ++n) {
    const Tensor z = random_tensor({n, 61, 67}, uint64_t(n), -20, 20);
    const Tensor single = soft_aggregate(z), exact = soft_aggregate(z.to(DType::f64));
    const std::vector<double> a = single.to_vector<double>(), b = exact.to_vector<double>();
    double worst = 0;
    for (std::size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(a[i] - b[i]));
    CHECK(worst < 4e-6);  // absolute, logits reach 16
    CHECK(relative_error(softmax(single, -1), softmax(exact, -1)) < 1e-6);
  }
}

TEST_CASE("mask_iou_loss: nothing present, all right, all wrong", "[op][losses]") {
  const Tensor p = Tensor::from<float>({0.25, 0.75, 0.5, 0.5}, {1, 1, 2, 2}).set_requires_grad();
  const Tensor none = Tensor::zeros({1, 1, 2}, DType::u8),
               all = Tensor::full({1, 1, 2}, 1, DType::u8);
  const Tensor loss = mask_iou_loss(p, none);
  CHECK(loss.item() == 0);
  backward(loss);
  CHECK(p.grad().to_vector<float>() == std::vector<float>(4, 0));
  CHECK(mask_iou_loss(Tensor::from<float>({0, 1, 0, 1}, {1, 1, 2, 2}), all).item() == 0);
  CHECK(mask_iou_loss(Tensor::from<float>({1, 0, 1, 0}, {1, 1, 2, 2}), all).item() == 1);
  CHECK(mask_iou_loss(p, all).item() == Approx(1 - 1.25 / 2));
}
