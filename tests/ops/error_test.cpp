// The f32 error that each op's contract states, against f64 on the same numbers: not above it, and
// not so far below that the statement would say nothing.
#include <functional>

#include "autograd/node.h"
#include "autograd/ops.h"
#include "autograd/ops/update.h"
#include "tests/catch.h"
#include "tests/support.h"

using namespace munet;

namespace {

using Op = std::function<Tensor(const Tensors&)>;

struct Row {
  const char* name;
  double forward, gradient;  // as stated, of the norm; 0: no gradient, or one that is exact
  Tensors inputs;            // f32
  Op op;
};

// The result, or the gradients of all inputs under a random one of the result, end to end.
Tensor run(const Row& row, DType dtype, bool gradient) {
  Tensors inputs;
  for (const Tensor& x : row.inputs) inputs.push_back(x.to(dtype));
  if (!gradient) return row.op(inputs);
  for (Tensor& x : inputs) x.set_requires_grad();
  const Tensor y = row.op(inputs);
  backward(y, random_tensor(y.shape(), 9).to(dtype));
  Tensors gradients;
  for (const Tensor& x : inputs) gradients.push_back(reshape(x.grad(), {-1}));
  return concat(gradients, 0);
}

void check_row(const Row& row) {
  for (const bool gradient : {false, true}) {
    const double stated = gradient ? row.gradient : row.forward;
    if (gradient && stated == 0) continue;
    const Tensor want = run(row, DType::f64, gradient);
    const double error = relative_error(run(row, DType::f32, gradient), want);
    INFO(row.name << (gradient ? ", gradient: " : ": ") << error << ", stated " << stated);
    CHECK(error <= stated);
    if (want.numel() > 1) CHECK(error >= stated / 20);  // one number may hit by chance
  }
}

}  // namespace

TEST_CASE("the errors that contracts state", "[op][error]") {
  const Tensor a = random_tensor({2, 30, 54, 40}, 1, -3, 3), b = random_tensor({40}, 2, 1, 2);
  const Tensor z = random_tensor({3, 60, 54}, 3, -8, 8);
  const Tensor key = random_tensor({2, 700, 64}, 4), value = random_tensor({2, 700, 96}, 5);
  const Tensor query = random_tensor({400, 64}, 6);
  Tensor mean = random_tensor({40}, 7), var = random_tensor({40}, 8, 1, 2);
  const auto row = [](const char* name, double forward, double gradient, const Tensors& inputs,
                      const Op& op) {
    check_row({name, forward, gradient, inputs, op});
  };
  row("add", 6e-8, 0, {a, b}, [](const Tensors& x) { return add(x[0], x[1]); });
  row("sub", 6e-8, 0, {a, b}, [](const Tensors& x) { return sub(x[0], x[1]); });
  row("mul", 6e-8, 1e-7, {a, b}, [](const Tensors& x) { return mul(x[0], x[1]); });
  row("div", 6e-8, 1e-7, {a, b}, [](const Tensors& x) { return div(x[0], x[1]); });
  row("scale", 1e-7, 2e-7, {a}, [](const Tensors& x) { return scale(x[0], 0.3, 0.7); });
  row("sigmoid", 1e-7, 2e-7, {a}, [](const Tensors& x) { return sigmoid(x[0]); });
  row("exp", 1e-7, 2e-7, {a}, [](const Tensors& x) { return exp(x[0]); });
  row("log", 1e-7, 2e-7, {b}, [](const Tensors& x) { return log(x[0]); });
  row("sum", 6e-8, 0, {a}, [](const Tensors& x) { return sum(x[0], {0, 1}); });
  row("mean", 6e-8, 6e-8, {a}, [](const Tensors& x) { return munet::mean(x[0], {0, 1}); });
  row("global_avg_pool", 6e-8, 6e-8, {a}, [](const Tensors& x) { return global_avg_pool(x[0]); });
  row("matmul", 3e-7, 3e-7, {query, reshape(key, {64, 1400})},
      [](const Tensors& x) { return matmul(x[0], x[1]); });
  row("softmax", 2e-7, 2e-7, {a}, [](const Tensors& x) { return softmax(x[0], -1); });
  row("log_softmax", 2e-7, 2e-7, {a}, [](const Tensors& x) { return log_softmax(x[0], -1); });
  row("soft_aggregate", 2e-7, 2e-7, {z}, [](const Tensors& x) { return soft_aggregate(x[0]); });
  const Tensor labels = Tensor::empty({2, 30, 54}, DType::u8);
  for (int64_t i = 0; i < labels.numel(); ++i) labels.data<uint8_t>()[i] = uint8_t(i % 40);
  row("cross_entropy", 2e-7, 2e-7, {a},
      [&](const Tensors& x) { return cross_entropy(x[0], labels, 0.4); });
  row("mask_iou_loss", 2e-7, 2e-7, {softmax(narrow(a, 0, 0, 1), -1)},
      [&](const Tensors& x) { return mask_iou_loss(x[0], narrow(labels, 0, 0, 1)); });
  row("upsample_bilinear", 2e-7, 2e-7, {a},
      [](const Tensors& x) { return upsample_bilinear(x[0], {.height = 71, .width = 99}); });
  row("batch_norm", 2e-7, 2e-7, {a, b, b}, [&](const Tensors& x) {
    Tensor m = mean.to(x[0].dtype()), v = var.to(x[0].dtype());
    return batch_norm(x[0], x[1], x[2], m, v, {.training = true});
  });
  row("l2_normalize", 2e-7, 2e-7, {a}, [](const Tensors& x) { return l2_normalize(x[0]); });
  row("memory_read", 2e-6, 1e-6, {key, value, query},
      [](const Tensors& x) { return memory_read(x[0], x[1], x[2]); });
  const Tensor f = l2_normalize(random_tensor({1, 30, 29, 64}, 10)),
               g = l2_normalize(random_tensor({1, 30, 29, 64}, 11));
  row("match_window", 2e-6, 2e-6, {f, g},
      [](const Tensors& x) { return match_window(x[0], x[1], {.temperature = 0.1}); });
  row("cost_volume", 3e-7, 0, {f, g}, [](const Tensors& x) { return cost_volume(x[0], x[1], 9); });
}

TEST_CASE("AdamW's error is what its contract states", "[op][error]") {
  const auto step = [](DType dtype) {
    const auto number = [&](uint64_t seed, double low) {
      return random_tensor({5000}, seed, low, 1).to(dtype);
    };
    const kernels::AdamWStep s = {
        number(1, -1), number(2, -1), number(3, -1), number(4, 0), 1 - 1e-4, -1e-2, 0.3};
    kernels::adamw(Device{}, {s}, {0.9, 0.999, 1e-8});
    return Tensors{s.p, s.m, s.v};
  };
  const Tensors got = step(DType::f32), want = step(DType::f64);
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double error = relative_error(got[i], want[i]);
    INFO(i << ": " << error);
    CHECK((error < 1e-7 && error > 1e-8));
  }
}
