// Optimiser, clipping, schedules; and all of it together: a network learns, stops and resumes.
#include <cmath>
#include <limits>

#include "autograd/node.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/reduce.h"
#include "nn/checkpoint.h"
#include "nn/layers.h"
#include "nn/optim.h"
#include "tensor/parallel.h"
#include "tests/catch.h"
#include "tests/support.h"

using namespace munet;
using namespace munet::nn;

namespace {

NamedTensor parameter(const std::string& name, const Tensor& start) {
  Tensor x = start.clone();
  x.set_requires_grad();
  return {name, x};
}

Tensor golden(const std::string& name) {
  static const Checkpoint file =
      load_checkpoint(source_dir() / "tests/golden/layers.safetensors", Layout::plain);
  return file.tensors.at(name);
}

}  // namespace

TEST_CASE("AdamW follows PyTorch for ten steps", "[nn][optim]") {
  const NamedTensor p = parameter("p", golden("adamw/param"));
  const Tensor grads = golden("adamw/grads"), after = golden("adamw/params");
  AdamW adamw({{.parameters = {p}, .weight_decay = 0.5}});
  for (int64_t t = 0; t < 10; ++t) {
    p.tensor.set_grad(grads.rows(t, 1).view({3, 5}));
    adamw.step(2e-2);
    CHECK(relative_error(p.tensor.detach(), after.rows(t, 1).view({3, 5})) < 1e-6);
  }
}

// Recorded from torch 2.15.0: AdamW of two groups (lr 1e-2, decay 0.01; lr 3e-3, decay 0.5).
TEST_CASE("AdamW: groups, and a parameter without a gradient", "[nn][optim]") {
  const NamedTensor p = parameter("p", Tensor::from<float>({0.5f, -1.25f, 2.f, 0.1f}, {4})),
                    q = parameter("q", Tensor::from<float>({1, -0.75f, 3, -0.001f}, {2, 2})),
                    idle = parameter("idle", Tensor::full({3}, 7));
  AdamW adamw(
      {{.parameters = {p, idle}}, {.parameters = {q}, .lr_factor = 0.3, .weight_decay = 0.5}});
  for (int t = 0; t < 10; ++t) {
    const float f = float(t);
    p.tensor.set_grad(
        Tensor::from<float>({t % 2 ? -0.3f : 0.3f, 0.01f * (f + 1), -2 + f * 0.5f, 1e-4f}, {4}));
    q.tensor.set_grad(Tensor::from<float>({0.7f, -0.2f * f, 1e3f, 0}, {2, 2}));
    adamw.step(1e-2);
  }
  const StateDict state = state_dict(adamw);
  const auto close = [](const Tensor& x, const std::vector<float>& expected) {
    return relative_error(x.detach(), Tensor::from(expected, x.shape())) < 1e-6;
  };
  CHECK(close(p.tensor, {0.48405811190605164f, -1.3471653461456299f, 2.043531656265259f,
                         -4.4976361095905304e-05f}));
  CHECK(close(q.tensor, {0.9553021788597107f, -0.7144523859024048f, 2.925504207611084f,
                         -0.0009851008653640747f}));
  CHECK(close(state.at("p.exp_avg"), {-0.01028402615338564f, 0.04138106107711792f,
                                      0.44074907898902893f, 6.513216067105532e-05f}));
  CHECK(close(state.at("q.exp_avg_sq"),
              {0.004878009669482708f, 0.01137842983007431f, 9955.1201171875f, 0}));
  CHECK(state.at("q.step").data<int64_t>()[0] == 10);
  CHECK(state.at("idle.step").data<int64_t>()[0] == 0);
  CHECK(idle.tensor.data<float>()[0] == 7);
}

TEST_CASE("AdamW: what it refuses", "[nn][optim]") {
  const NamedTensor p = parameter("p", Tensor::zeros({2}));
  CHECK(text_of([&] { AdamW({{.parameters = {p, p}}}); }) == "AdamW: p is there twice");
  CHECK(text_of([&] {
          AdamW({{.parameters = {{"h", Tensor::zeros({2}, DType::f16)}}}});
        }) == "AdamW: h is f16; expected f32");
  CHECK(text_of([&] {
          AdamW({{.parameters = {p, {"q", p.tensor}}}});
        }) == "AdamW: p and q are the same numbers");
  CHECK(text_of([&] { AdamW({}, {.beta1 = 1}); }) ==
        "AdamW: expected beta1 and beta2 in [0, 1) and eps >= 0; given 1, 0.999, 1e-08");
  AdamW adamw({{.parameters = {p}}});
  StateDict state = state_dict(adamw);
  state.erase("p.step");
  CHECK(text_of([&] { load(adamw, state); }) ==
        "load: the state does not fit the module; missing (1): p.step");
}

TEST_CASE("clip_grad_norm scales all gradients together, as PyTorch", "[nn][optim]") {
  for (const std::string name : {"clip_grad_norm", "clip_grad_norm_below"}) {
    const NamedTensor a = parameter("a", Tensor::zeros({3, 5})),
                      b = parameter("b", Tensor::zeros({4, 2})),
                      none = parameter("none", Tensor::zeros({9}));
    a.tensor.set_grad(golden(name + "/g0").clone());
    b.tensor.set_grad(golden(name + "/g1").clone());
    const double norm = clip_grad_norm({a, none, b}, golden(name + "/max_norm").item());
    CHECK(norm == Approx(golden(name + "/norm").item()).epsilon(1e-6));
    CHECK(relative_error(a.tensor.grad(), golden(name + "/c0")) < 1e-6);
    CHECK(relative_error(b.tensor.grad(), golden(name + "/c1")) < 1e-6);
    CHECK(!none.tensor.grad());
    zero_grad({a, b, {"buffer", Tensor::zeros({1})}});
    CHECK(!a.tensor.grad());
  }
}

TEST_CASE("clip_grad_norm and gradients that are not finite", "[nn][optim]") {
  const NamedTensor a = parameter("a", Tensor::zeros({2})), b = parameter("b", Tensor::zeros({2}));
  a.tensor.set_grad(Tensor::full({2}, 5));
  for (const float bad : {std::numeric_limits<float>::infinity(), NAN}) {
    b.tensor.set_grad(Tensor::from<float>({1, bad}, {2}));
    CHECK(text_of([&] {
            clip_grad_norm({a, b}, 1);
          }) == "clip_grad_norm: the gradient of b is not finite");
    CHECK(!std::isfinite(clip_grad_norm({a, b}, 1, false)));
    CHECK(a.tensor.grad().data<float>()[0] == 5);
  }
  CHECK(text_of([&] { clip_grad_norm({a}, 0); }) ==
        "clip_grad_norm: expected max_norm > 0, given 0");
}

TEST_CASE("optimiser: the number of threads does not show", "[nn][optim]") {
  const int before = num_threads();
  std::vector<float> results[2];
  double norms[2];
  for (const int k : {0, 1}) {
    set_num_threads(k ? 3 : 1);
    const NamedTensor p = parameter("p", random_tensor({100003}, 1));
    p.tensor.set_grad(random_tensor({100003}, 2));
    norms[k] = clip_grad_norm({p}, 0.5);
    AdamW({{.parameters = {p}}}).step(0.1);
    results[k] = p.tensor.detach().to_vector<float>();
  }
  set_num_threads(before);
  CHECK(norms[0] == norms[1]);
  CHECK(results[0] == results[1]);
}

TEST_CASE("LossScaler: tiny gradients survive, bad steps are left out", "[nn][optim]") {
  LossScaler scaler(1024, 3);
  Tensor w = Tensor::from<float>({2, 3}, {2}).set_requires_grad();
  const std::vector<NamedTensor> params{{"w", w}};
  const Tensor loss = sum(mul(w, w));
  backward(loss, scaler.seed(loss));
  CHECK(w.grad().to_vector<float>() == std::vector<float>{4096, 6144});
  scaler.unscale(params);
  CHECK(w.grad().to_vector<float>() == std::vector<float>{4, 6});  // powers of two: exact
  CHECK(!scaler.update(false));
  CHECK(scaler.scale() == 512);
  for (int i = 0; i < 3; ++i) {
    CHECK(scaler.scale() == 512);
    CHECK(scaler.update(true));
  }
  CHECK(scaler.scale() == 1024);
  scaler.update(true);
  LossScaler resumed(1, 3);
  load(resumed, state_dict(scaler));
  for (int i = 0; i < 2; ++i) resumed.update(true);
  CHECK(resumed.scale() == 2048);
  LossScaler small(1);
  small.update(false);
  CHECK(small.scale() == 1);
  LossScaler large(16777216, 1);
  large.update(true);
  CHECK(large.scale() == 16777216);
  CHECK(text_of([] { LossScaler(0.5); }) ==
        "LossScaler: expected a finite scale of at least 1 and every >= 1; given 0.5, 2000");
}

TEST_CASE("learning-rate factors are functions of the step", "[nn][optim]") {
  CHECK(warm_up(0, 4) == 0.25);
  CHECK(warm_up(3, 4) == 1);
  CHECK(warm_up(9, 4) == 1);
  CHECK(warm_up(0, 0) == 1);
  CHECK(step_decay(9, 10, 0.5) == 1);
  CHECK(step_decay(29, 10, 0.5) == 0.25);
  CHECK(cosine_decay(0, 8) == 1);
  CHECK(cosine_decay(2, 8) == Approx((1 + std::sqrt(0.5)) / 2));
  CHECK(cosine_decay(4, 8, 0.2) == Approx(0.6));
  CHECK(cosine_decay(8, 8, 0.2) == Approx(0.2));
  CHECK(cosine_decay(99, 8) == Approx(0).margin(1e-15));
  CHECK(text_of([] { warm_up(-1, 4); }) == "warm_up: expected a step of at least 0, given -1");
  CHECK(text_of([] { step_decay(1, 0, 0.5); }) == "step_decay: expected every > 0, given 0");
}

namespace {

struct Tiny : Module {
  Rng rng{21};
  Conv2d conv1{2, 8, 3, {.stride = 2, .padding = 1, .bias = false}, rng};
  BatchNorm2d bn1{8};
  Conv2d conv2{8, 8, 3, {.padding = 1}, rng}, head{8, 3, 1, {}, rng};
  void visit(Visitor& v) override {
    v("conv1", conv1), v("bn1", bn1), v("conv2", conv2), v("head", head);
    v.fold(conv1, bn1);
  }
  Tensor operator()(const Tensor& x) {
    const Tensor y = conv_bn(conv1, bn1, x, {.activation = Activation::relu});
    return head(conv2(y, y, Activation::relu));
  }
};

// The steps [first, last) of overfitting two samples; the last loss.
double learn(Tiny& net, AdamW& adamw, int64_t first, int64_t last) {
  const Tensor x = random_tensor({2, 7, 9, 2}, 1), target = random_tensor({2, 4, 5, 3}, 2);
  double value = 0;
  for (int64_t step = first; step < last; ++step) {
    const Tensor difference = sub(net(x), target);
    const Tensor loss = mean(mul(difference, difference));
    value = loss.item();
    zero_grad(parameters(net));
    backward(loss);
    clip_grad_norm(parameters(net), 1);
    adamw.step(0.02 * warm_up(step, 10) * cosine_decay(step, 400));
  }
  return value;
}

AdamW optimiser(Tiny& net) {
  return AdamW({{.parameters = parameters(net.conv1), .lr_factor = 0.5, .weight_decay = 0},
                {.parameters = {{"bn1.weight", net.bn1.weight},
                                {"bn1.bias", net.bn1.bias},
                                {"conv2.weight", net.conv2.weight},
                                {"conv2.bias", net.conv2.bias},
                                {"head.weight", net.head.weight},
                                {"head.bias", net.head.bias}},
                 .weight_decay = 1e-4}});
}

}  // namespace

TEST_CASE("a tiny network overfits two samples, and resumes bit for bit", "[nn][optim]") {
  Tiny net;
  AdamW adamw = optimiser(net);
  const double start = learn(net, adamw, 0, 1);
  learn(net, adamw, 1, 60);
  TemporaryFolder folder;
  save_checkpoint(folder / "net", {state_dict(net), {}});
  save_checkpoint(folder / "optimiser", {state_dict(adamw), {}}, false, Layout::plain);
  const double end = learn(net, adamw, 60, 400);
  CHECK(end < 0.02 * start);

  Tiny resumed;
  AdamW again = optimiser(resumed);
  load(resumed, load_checkpoint(folder / "net").tensors);
  load(again, load_checkpoint(folder / "optimiser", Layout::plain).tensors);
  CHECK(learn(resumed, again, 60, 400) == end);
  for (const auto& [name, x] : state_dict(net)) {
    INFO(name);
    CHECK(x.to_vector<float>() == state_dict(resumed).at(name).to_vector<float>());
  }
}
