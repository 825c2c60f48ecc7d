// checkpoint(f, inputs): the same gradients with less memory.
#include "autograd/recompute.h"

#include "autograd/ops/conv.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/reduce.h"
#include "tests/catch.h"
#include "tests/support.h"

using namespace munet;

namespace {

// Four blocks y = relu(conv(relu(conv(x)))) + x.
struct Blocks {
  Tensors weights;
  Blocks() {
    for (uint64_t i = 0; i < 8; ++i)
      weights.push_back(random_tensor({5, 3, 3, 5}, i, -0.3, 0.3).set_requires_grad());
  }
  Tensor block(std::size_t i, const Tensor& x) const {
    const Tensor y = relu(conv2d(x, weights[2 * i], {}, {.padding = 1}));
    return add(relu(conv2d(y, weights[2 * i + 1], {}, {.padding = 1})), x);
  }
  Tensor run(Tensor x, bool twice) const {
    for (std::size_t i = 0; i < 4; ++i)
      x = twice ? checkpoint([this, i](const Tensors& in) { return block(i, in[0]); }, {x})
                : block(i, x);
    return x;
  }
  // All gradients of sum(y y) for an input of side `side`; the peak of memory above the start.
  std::vector<float> gradients_of(int64_t side, bool twice, std::size_t& peak) const {
    for (const Tensor& w : weights) w.set_grad({});
    Tensor x = random_tensor({1, side, side, 5}, 9).set_requires_grad();
    memory::reset_peak();
    const std::size_t before = memory::active();
    const Tensor y = run(x, twice);
    backward(sum(mul(y, y)));
    peak = memory::peak() - before;
    std::vector<float> all = x.grad().to_vector<float>();
    for (const Tensor& w : weights)
      for (float g : w.grad().to_vector<float>()) all.push_back(g);
    return all;
  }
};

}  // namespace

TEST_CASE("checkpoint: the same gradients, bit for bit, in less memory", "[tape][recompute]") {
  const Blocks blocks;
  std::size_t kept = 0, twice = 0;
  const std::vector<float> want = blocks.gradients_of(64, false, kept);
  CHECK((blocks.gradients_of(64, true, twice) == want));
  CHECK(double(twice) < 0.75 * double(kept));
}

TEST_CASE("checkpoint: gradients are added to those set before, nothing leaks",
          "[tape][recompute]") {
  const Blocks blocks;
  std::size_t peak = 0;
  const std::vector<float> once = blocks.gradients_of(9, true, peak);
  const int64_t live = memory::live_storages();
  backward(sum(mul(blocks.run(random_tensor({1, 9, 9, 5}, 9), true),
                   blocks.run(random_tensor({1, 9, 9, 5}, 9), false))));
  CHECK(memory::live_storages() == live);
  const std::vector<float> g = blocks.weights[0].grad().to_vector<float>();
  for (std::size_t i = 0; i < g.size(); ++i)  // d(y y') for y' = y is d(y y): twice in all
    CHECK(g[i] == Approx(2 * once[9 * 9 * 5 + i]).margin(1e-4));
}

TEST_CASE("checkpoint: what has no gradient, and what f may not use", "[tape][recompute]") {
  const Blocks blocks;
  const Tensor x = random_tensor({1, 4, 4, 5}, 1);
  const auto first = [&](const Tensors& in) { return blocks.block(0, in[0]); };
  {
    NoGrad no_grad;
    CHECK(!checkpoint(first, {x}).requires_grad());
  }
  CHECK(!checkpoint([](const Tensors& in) { return relu(in[0]); }, {x}).requires_grad());
  const Tensor outside = relu(blocks.weights[0]);
  const auto use = [&](const Tensors& in) { return conv2d(in[0], outside); };
  CHECK_THROWS_WITH(checkpoint(use, {x}),
                    "checkpoint: f uses a result of relu besides its inputs; give it to f as an "
                    "input");
  // Within each other.
  Tensor leaf = x.clone().set_requires_grad(), same = x.clone().set_requires_grad();
  const auto outer = [&](const Tensors& in) { return blocks.block(1, checkpoint(first, {in[0]})); };
  backward(sum(checkpoint(outer, {leaf})));
  backward(sum(blocks.block(1, blocks.block(0, same))));
  CHECK((leaf.grad().to_vector<float>() == same.grad().to_vector<float>()));
}
