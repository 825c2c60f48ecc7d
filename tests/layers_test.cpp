// Layers, and freezing: the same numbers, one fused call.
#include <cmath>
#include <functional>

#include "autograd/node.h"
#include "autograd/ops/elementwise.h"
#include "nn/fold.h"
#include "nn/init.h"
#include "nn/layers.h"
#include "tests/catch.h"
#include "tests/support.h"

using namespace munet;
using namespace munet::nn;

namespace {

// Every use of convolutions that the network knows: a stem that sees one or two masks beside the
// frame, a residual block with a strided shortcut, and convolutions with a bias of their own.
struct Net : Module {
  Rng rng{11};
  Conv2d conv1{3, 6, 5, {.stride = 2, .padding = 2, .bias = false}, rng};
  Conv2d conv1_m{1, 6, 5, {.stride = 2, .padding = 2, .bias = false}, rng};
  Conv2d conv1_o{1, 6, 5, {.stride = 2, .padding = 2, .bias = false}, rng};
  BatchNorm2d bn1{6};
  Conv2d conv2{6, 8, 3, {.stride = 2, .padding = 1, .bias = true}, rng};
  BatchNorm2d bn2{8};
  Conv2d conv3{8, 8, 3, {.padding = 1, .bias = false}, rng};
  BatchNorm2d bn3{8};
  Conv2d shortcut{6, 8, 1, {.stride = 2, .bias = false}, rng};
  BatchNorm2d bn4{8};
  Conv2d head{8, 5, 3, {.padding = 1}, rng};
  BatchNorm2d alone{5};  // behind no convolution of its own: it stays
  bool second_mask = true;

  void visit(Visitor& v) override {
    v("conv1", conv1), v("conv1_m", conv1_m), v("bn1", bn1);
    v.fold(conv1, bn1, true);
    v.fold(conv1_m, bn1, false);
    if (second_mask) v("conv1_o", conv1_o), v.fold(conv1_o, bn1, false);
    v.fold(conv2, bn2);  // before the members themselves: the order is free
    v("conv2", conv2), v("bn2", bn2), v("conv3", conv3), v("bn3", bn3);
    v.fold(conv3, bn3);
    v("shortcut", shortcut), v("bn4", bn4), v("head", head), v("alone", alone);
    v.fold(shortcut, bn4);
  }
  // rgb [1,h,w,3], masks [n,h,w,1]
  Tensor operator()(const Tensor& rgb, const Tensor& mask, const Tensor& other) {
    Tensor shared = conv1(rgb);
    if (second_mask) shared = conv1_o(other, shared);
    const Tensor x =
        conv_bn(conv1_m, bn1, mask, {.add_before = shared, .activation = Activation::relu});
    const Tensor y = conv_bn(conv2, bn2, x, {.activation = Activation::relu});
    const Tensor z =
        conv_bn(conv3, bn3, y, {.add = conv_bn(shortcut, bn4, x), .activation = Activation::relu});
    return alone(head(z, {}, Activation::relu));
  }
};

void randomise(Net& net, uint64_t seed) {
  StateDict state;
  for (const NamedTensor& named : tensors(net)) {
    const bool positive = named.name.ends_with("running_var");
    state[named.name] = random_tensor(named.tensor.shape(), seed + name_seed(named.name),
                                      positive ? 0.2 : -1, positive ? 3 : 1);
  }
  load(net, state);
  train(net, false);
}

}  // namespace

TEST_CASE("layers start as PyTorch's do", "[nn][layers]") {
  Rng rng{3};
  const Conv2d conv(7, 400, 3, {.stride = 2, .padding = 1}, rng);
  CHECK(conv.weight.shape() == Shape{400, 3, 3, 7});
  CHECK(conv.bias.shape() == Shape{400});
  CHECK(conv.weight.requires_grad());
  CHECK(conv.bias.requires_grad());
  for (const Tensor& x : {conv.weight, conv.bias}) {
    double low = 0, high = 0, square = 0;
    for (const double v : x.to_vector<double>())
      low = std::min(low, v), high = std::max(high, v), square += v * v / double(x.numel());
    const double bound = 1 / std::sqrt(63.0);
    CHECK(low == Approx(-bound).epsilon(0.03));
    CHECK(high == Approx(bound).epsilon(0.03));
    CHECK(high <= bound);
    CHECK(square == Approx(bound * bound / 3).epsilon(0.15));
  }
  CHECK(rng.next == uint64_t(conv.weight.numel() + 400));
  const Conv2d other(7, 400, 3, {.bias = false}, rng);
  CHECK(relative_error(other.weight, conv.weight) > 1);
  CHECK(!other.bias);
  CHECK(text_of([&] { Conv2d(0, 2, 3, {}, rng); }) ==
        "Conv2d: expected positive sizes; given in 0, out 2, kernel 3");
  BatchNorm2d bn(4);
  CHECK(parameters(bn).size() == 2);
  CHECK(tensors(bn).size() == 4);
}

TEST_CASE("fills are the stream's numbers, whatever the thread", "[nn][init]") {
  Rng rng{9, 4};
  const Tensor x = Tensor::empty({40000});
  fill_uniform(x, -2, 6, rng);
  CHECK(x.data<float>()[39999] == float(-2 + 8 * random_uniform(9, 4 + 39999)));
  CHECK(rng.next == 40004);
  fill_normal(x, 3, 0.5, rng);
  double mean = 0, square = 0;
  for (const double v : x.to_vector<double>()) mean += v / 4e4, square += (v - 3) * (v - 3) / 4e4;
  CHECK(mean == Approx(3).margin(0.01));
  CHECK(square == Approx(0.25).epsilon(0.03));
  const Tensor w = Tensor::empty({50, 3, 3, 70});
  fill_kaiming_normal(w, rng);
  square = 0;
  for (const double v : w.to_vector<double>()) square += v * v / double(w.numel());
  CHECK(square == Approx(2.0 / (9 * 50)).epsilon(0.03));
  {
    const SkipInit outer;
    { const SkipInit inner; }
    const Tensor before = w.clone();
    fill_kaiming_normal(w, rng);
    fill_uniform(w, 5, 6, rng);
    CHECK(relative_error(w, before) == 0);
  }
  fill_uniform(x, 5, 6, rng);
  CHECK(x.data<float>()[0] >= 5);
  CHECK(named_rng(1, "a").bits() == named_rng(1, "a").bits());
  CHECK(named_rng(1, "a").seed != named_rng(1, "b").seed);
  CHECK(named_rng(1, "a").seed != named_rng(2, "a").seed);
  CHECK(text_of([&] { fill_kaiming_normal(x, rng); }) ==
        "fill_kaiming_normal: expected weights [o, kh, kw, c], given [40000]");
}

TEST_CASE("conv_bn is batch norm of the sum, then residual, then ReLU", "[nn][layers]") {
  Net net;
  randomise(net, 5);
  const Tensor x = random_tensor({2, 7, 5, 6}, 1), before = random_tensor({2, 4, 3, 8}, 2),
               residual = random_tensor({1, 4, 3, 8}, 3);
  NoGrad no_grad;
  const Tensor y = conv_bn(net.conv2, net.bn2, x,
                           {.add_before = before, .add = residual, .activation = Activation::relu});
  const Tensor conv = conv2d(x, net.conv2.weight, net.conv2.bias, {.stride = 2, .padding = 1});
  const auto at = [&](const Tensor& t, int64_t i) { return double(t.data<float>()[i]); };
  Tensor expected = Tensor::empty(y.shape());
  for (int64_t i = 0; i < y.numel(); ++i) {
    const int64_t c = i % 8;
    const double g = at(net.bn2.weight, c) / std::sqrt(at(net.bn2.running_var, c) + 1e-5);
    const double v = g * (at(conv, i) + at(before, i) - at(net.bn2.running_mean, c)) +
                     at(net.bn2.bias, c) + at(residual, i % residual.numel());
    expected.data<float>()[i] = float(std::max(v, 0.0));
  }
  CHECK(relative_error(y, expected) < 1e-6);
  freeze(net);  // both sums at once, frozen: the inner one must come folded
  Tensor folded = before.clone();
  for (int64_t i = 0; i < folded.numel(); ++i)
    folded.data<float>()[i] *=
        float(at(net.bn2.weight, i % 8) / std::sqrt(at(net.bn2.running_var, i % 8) + 1e-5));
  CHECK(relative_error(
            conv_bn(net.conv2, net.bn2, x,
                    {.add_before = folded, .add = residual, .activation = Activation::relu}),
            expected) < 1e-6);
}

TEST_CASE("batch norm uses the batch only if told to and training", "[nn][layers]") {
  BatchNorm2d bn(3);
  const Tensor x = random_tensor({4, 5, 7, 3}, 1, 2, 3);
  bn(x);
  CHECK(bn.running_mean.data<float>()[0] == 0);
  bn.batch_statistics = true;
  train(bn, false);
  bn(x);
  CHECK(bn.running_mean.data<float>()[0] == 0);
  train(bn, true);
  bn(x);
  CHECK(bn.running_mean.data<float>()[0] == Approx(0.25).epsilon(0.05));
}

TEST_CASE("a frozen module gives the same numbers", "[nn][fold]") {
  NoGrad no_grad;
  for (const bool second_mask : {false, true}) {
    for (const uint64_t seed : {1, 2, 3}) {
      Net net;
      net.second_mask = second_mask;
      randomise(net, seed);
      const Tensor rgb = random_tensor({1, 21, 27, 3}, seed);
      const Tensor mask = random_tensor({2, 21, 27, 1}, seed + 1, 0, 1);
      const Tensor other = random_tensor({2, 21, 27, 1}, seed + 2, 0, 1);
      const Tensor y = net(rgb, mask, other);
      StateDict before;
      for (const auto& [name, x] : state_dict(net)) before[name] = x.clone();

      const FreezeSummary summary = freeze(net);
      CHECK(summary.convolutions == (second_mask ? 7 : 6));
      CHECK(summary.folded == (second_mask ? 6 : 5));
      CHECK(summary.packed_bytes > 4 * 8 * 8 * 9);
      const Tensor frozen = net(rgb, mask, other);
      CHECK(relative_error(frozen, y) < 1e-5);
      CHECK(relative_error(frozen, y) > 0);  // it did take the other way
      for (const auto& [name, x] : state_dict(net)) CHECK(relative_error(x, before.at(name)) == 0);
      thaw(net);
      CHECK(relative_error(net(rgb, mask, other), y) == 0);
    }
  }
}

TEST_CASE("freezing again takes up new weights", "[nn][fold]") {
  NoGrad no_grad;
  Net net;
  randomise(net, 1);
  const Tensor rgb = random_tensor({1, 21, 27, 3}, 1), mask = random_tensor({2, 21, 27, 1}, 2);
  freeze(net);
  CHECK(text_of([&] { load(net, state_dict(net)); }) ==
        "load: the module is frozen (conv1); thaw() it first");
  thaw(net);
  randomise(net, 2);
  const Tensor y = net(rgb, mask, mask);
  freeze(net);
  CHECK(relative_error(net(rgb, mask, mask), y) < 1e-5);
}

TEST_CASE("freeze refuses what it cannot do, and then does nothing", "[nn][fold]") {
  Net net;
  CHECK(text_of([&] { freeze(net); }) ==
        "freeze: the module is in training mode; call train(module, false) first");
  train(net, false);
  net.bn3.training = true;
  CHECK(text_of([&] { freeze(net); }) ==
        "freeze: bn3 is in training mode; call train(module, false) first");
  net.bn3.training = false;
  net.bn3 = BatchNorm2d(5);
  net.bn3.training = false;
  CHECK(text_of([&] { freeze(net); }) == "freeze: conv3 has 8 outputs, its batch norm 5");

  struct Pairs : Module {
    Rng rng{1};
    Conv2d a{2, 3, 1, {}, rng}, b{2, 3, 1, {}, rng};
    BatchNorm2d bn{3}, bn2{3};
    std::function<void(Pairs&, Visitor&)> pairs;
    void visit(Visitor& v) override { v("a", a), v("b", b), v("bn", bn), pairs(*this, v); }
  } p;
  p.pairs = [](Pairs&, Visitor&) {};
  train(p, false);
  p.pairs = [](Pairs& q, Visitor& v) { v.fold(q.a, q.bn), v.fold(q.b, q.bn); };
  CHECK(text_of([&] { freeze(p); }) ==
        "freeze: the batch norm behind a gives its shift to 2 convolutions, expected 1");
  p.pairs = [](Pairs& q, Visitor& v) { v.fold(q.a, q.bn, false); };
  CHECK(text_of([&] { freeze(p); }) ==
        "freeze: the batch norm behind a gives its shift to 0 convolutions, expected 1");
  p.pairs = [](Pairs& q, Visitor& v) { v.fold(q.a, q.bn), v.fold(q.a, q.bn2); };
  CHECK(text_of([&] { freeze(p); }) ==
        "freeze: one convolution is followed by two batch norms; its weights are [3, 1, 1, 2]");
  Rng rng{1};
  Conv2d lost(2, 3, 1, {}, rng);
  p.pairs = [&](Pairs& q, Visitor& v) { v.fold(lost, q.bn); };
  CHECK(text_of([&] { freeze(p); }) ==
        "freeze: visit() folds 1 convolutions that it does not name");
  CHECK(!p.a.frozen());

  p.pairs = [](Pairs&, Visitor&) {};
  freeze(p);
  const Tensor x = random_tensor({1, 2, 3, 2}, 1);
  CHECK(text_of([&] { p.a(x); }) ==
        "Conv2d: a frozen layer has no gradient; use NoGrad, or thaw() it");
  NoGrad no_grad;
  CHECK(text_of([&] { conv_bn(p.a, p.bn, x); }) ==
        "conv_bn: the convolution is frozen without its batch norm; name the pair in visit() by "
        "Visitor::fold");
}
