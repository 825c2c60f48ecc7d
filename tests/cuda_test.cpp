// On a card: no empty slots, memory and its errors, both networks and training against the CPU. In
// software_test the same with the host in the place of a card, on smaller sizes.
#include <cmath>

#include "apps/train/rollout.h"
#include "autograd/node.h"
#include "autograd/ops/slots.h"
#include "nn/optim.h"
#include "tests/catch.h"
#include "tests/model_support.h"
#include "tests/support.h"

using namespace munet;

namespace {

const Device kCard{Device::cuda, 0};

// Whether there is a card; says so once per test if not.
bool card() {
  try {
    cuda_backend().memory(kCard);
    return true;
  } catch (const DeviceError& e) {
    skip(str("on a GPU: ", e.what()));
    return false;
  }
}
bool played() { return cuda_backend().describe(kCard) == "a GPU played by the host"; }

std::unique_ptr<MUNet> network(const std::string& name) {
  Rng rng{1};
  auto model = std::make_unique<MUNet>(preset(name), rng);
  fill_like_reference(*model);
  nn::train(*model, false);
  return model;
}

// What the network makes of two frames and two objects, stage by stage.
std::vector<std::pair<std::string, Tensor>> stages(MUNet& model, Device device, int64_t side) {
  NoGrad no_grad;
  const auto input = [&](const Shape& shape, uint64_t seed, double low) {
    return random_tensor(shape, seed, low, 1).to(device);
  };
  const Tensor previous = input({1, side, side + 16, 3}, 1, -1),
               now = input(previous.shape(), 2, -1), masks = input({2, side, side + 16}, 3, 0);
  const QueryFeatures q = model.encode_query(now), q_previous = model.encode_query(previous);
  const KeyValue memory = model.memorize(previous, masks);
  const Tensor fused = model.fuse_motion(q, &q_previous);
  const KeyValue own = model.query_key_value(fused);
  const auto rows = [](const Tensor& x) {
    return reshape(x, {x.dim(0), x.dim(1) * x.dim(2), x.dim(3)});
  };
  const Tensor question = own.key.view({own.key.dim(1) * own.key.dim(2), own.key.dim(3)});
  const Tensor read = memory_read(rows(memory.key), rows(memory.value), question);
  const Tensor z = model.decode(read, own.value, q), logits = soft_aggregate(z);
  return {{"r2", q.trunk.r2},
          {"r4", q.trunk.r4},
          {"motion", q.motion},
          {"memory key", memory.key},
          {"value", memory.value},
          {"fused", fused},
          {"query key", own.key},
          {"read", read},
          {"z", z},
          {"logits", logits},
          {"probability", softmax(logits, -1)}};
}

// Two discs that move over noise.
Clip drawn_clip(int64_t frames, int64_t side) {
  Clip clip{"drawn", random_tensor({frames, side, side, 3}, 4, 0, 1),
            Tensor::zeros({frames, side, side}, DType::u8), 2};
  for (int64_t t = 0; t < frames; ++t)
    for (int64_t y = 0; y < side; ++y)
      for (int64_t x = 0; x < side; ++x)
        for (int k = 1; k <= 2; ++k) {
          const double dx = double(x) - double(side) * 0.3 * k - double(t),
                       dy = double(y) - double(side) * (0.8 - 0.25 * k);
          if (dx * dx + dy * dy > double(side * side) * 0.03) continue;
          clip.masks.data<uint8_t>()[(t * side + y) * side + x] = uint8_t(k);
          clip.frames.data<float>()[((t * side + y) * side + x) * 3 + k] = 0.9f;
        }
  return clip;
}

// The loss and the gradient's norm of each step.
std::vector<double> losses(Device device, int steps, int64_t frames, int64_t side) {
  const std::unique_ptr<MUNet> model = network("munet18");
  nn::to(*model, device);
  nn::train(*model);
  const std::vector<nn::NamedTensor> parameters = nn::parameters(*model);
  nn::AdamW optimiser({{parameters}});
  const Clip clip = drawn_clip(frames, side);
  std::vector<double> losses;
  for (int i = 0; i < steps; ++i) {
    nn::zero_grad(parameters);
    const Rollout rollout = roll_out(*model, clip, i % 2 == 0, {});
    losses.push_back(rollout.loss.item());
    backward(rollout.loss);
    losses.push_back(nn::clip_grad_norm(parameters, 1));
    optimiser.step(1e-4);
  }
  return losses;
}

}  // namespace

TEST_CASE("every kernel has a CUDA body", "[cuda]") {
  if (!register_cuda_kernels()) return skip("CUDA gaps: this build has no CUDA");
  int kernels = 0, gaps = 0;
  for_each_kernel([&](const auto& kernel) {
    ++kernels;
    if (kernel.cuda) return;
    ++gaps;
    std::fprintf(stderr, "CUDA gap: %s\n", kernel.name);
  });
  std::fprintf(stderr, "CUDA bodies: %d of %d kernels\n", kernels - gaps, kernels);
  CHECK(gaps == 0);
}

TEST_CASE("numbers go to the card and back", "[cuda]") {
  if (!card()) return;
  const Tensor x = random_tensor({3, 5, 7}, 1);
  CHECK(x.to(kCard).to(Device{}).to_vector<float>() == x.to_vector<float>());
  CHECK(x.to(kCard).clone().rows(1, 2).to_vector<float>() == x.rows(1, 2).to_vector<float>());
  for (const DType dtype : {DType::f32, DType::f64, DType::f16, DType::i64, DType::u8})
    CHECK(Tensor::full({1001}, 3, dtype, kCard).to_vector<int>() == std::vector<int>(1001, 3));
  CHECK(Tensor::zeros({7}, DType::i32, kCard).to_vector<int>() == std::vector<int>(7, 0));
  CHECK(text_of([&] { add(x, x.to(kCard)); }) ==
        "add: expected equal devices; a is on cpu, b on cuda:0");
  CHECK(text_of([&] {
          Tensor mean = Tensor::zeros({7}), var = Tensor::full({7}, 1);
          batch_norm(x.view({1, 3, 5, 7}).to(kCard), mean, var, mean, var);
        }) == "batch_norm: x is on cuda:0, but gamma, beta, running_mean or running_var on cpu");
}

TEST_CASE("out of device memory: what was asked, and life goes on", "[cuda]") {
  if (!card()) return;
  const Backend& backend = cuda_backend();
  const std::size_t active = backend.memory(kCard).active;
  backend.limit_memory(kCard, active + (10 << 20));
  const std::string text = text_of([&] { Tensor::empty({3 << 20}, DType::f32, kCard); });
  CHECK(text.rfind("cuda:0: out of memory: 12.0 MiB asked, ", 0) == 0);
  CHECK(text.find(" used by tensors, 10.0 MiB free; lower the frame size, ") != std::string::npos);
  backend.reset_peak(kCard);
  { const Tensor x = Tensor::full({2 << 20}, 1, DType::f32, kCard); }
  CHECK(backend.memory(kCard).peak == active + (8 << 20));
  CHECK(backend.memory(kCard).active == active);
  backend.limit_memory(kCard, 0);
  CHECK(sum(Tensor::full({1000}, 1, DType::f32, kCard)).item() == 1000);
  CHECK(text_of([&] {  // more than any card has
          Tensor::empty({int64_t{1} << 40}, DType::f32, kCard);
        })
            .rfind("cuda:0: out of memory: 4096.00 GiB asked", 0) == 0);
  CHECK(sum(Tensor::full({1000}, 1, DType::f32, kCard)).item() == 1000);
}

TEST_CASE("a tensor on a card that there is not", "[cuda]") {
  if (!card()) return;
  const std::string text = text_of([] { Tensor::zeros({1}, DType::f32, {Device::cuda, 99}); });
  CHECK(text ==
        "Device::cuda: this process computes on cuda:0; given cuda:99 (one card per "
        "process)");
}

TEST_CASE("both networks, stage by stage, as on the CPU", "[cuda]") {
  if (!card()) return;
  for (const char* name : {"munet18", "munet50"}) {
    const std::unique_ptr<MUNet> model = network(name);
    const int64_t side = played() ? 32 : 160;
    const auto want = stages(*model, Device{}, side);
    nn::to(*model, kCard);
    const auto got = stages(*model, kCard, side);
    for (std::size_t i = 0; i < want.size(); ++i) {
      INFO(name << ": " << want[i].first);
      const double error = relative_error(got[i].second, want[i].second);
      CHECK(error < 1e-4);
      if (!played()) std::fprintf(stderr, "%s %s: %.1e\n", name, want[i].first.c_str(), error);
    }
  }
}

TEST_CASE("a model trains on the card as on the CPU", "[cuda]") {
  if (!card() || played()) return;  // the host would play for minutes
  const int steps = 20;
  const int64_t frames = 4, side = 96;
  const std::vector<double> cpu = losses(Device{}, steps, frames, side),
                            gpu = losses(kCard, steps, frames, side);
  for (std::size_t i = 0; i < cpu.size(); i += 2) {
    std::fprintf(stderr, "step %d: loss %.6f and gradient %.4f on the CPU, %.6f and %.4f\n",
                 int(i / 2), cpu[i], cpu[i + 1], gpu[i], gpu[i + 1]);
    // Rounding grows from step to step: Adam divides tiny gradients by their own size.
    CHECK(gpu[i] == Approx(cpu[i]).epsilon(i == 0 ? 1e-4 : 1e-2));
    CHECK(gpu[i + 1] == Approx(cpu[i + 1]).epsilon(i == 0 ? 1e-3 : 1e-1));
  }
  CHECK(cpu[cpu.size() - 2] < cpu[0]);
  CHECK(losses(kCard, 2, frames, side) == losses(kCard, 2, frames, side));  // bit for bit
}
