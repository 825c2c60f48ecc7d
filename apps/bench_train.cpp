// One step of `munet train` on a clip that is in memory already.
#include "apps/bench_train.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <vector>

#include "apps/train/rollout.h"
#include "autograd/node.h"
#include "nn/optim.h"
#include "tensor/parallel.h"
#include "tensor/random.h"
#include "tensor/storage.h"

namespace {

using namespace munet;

double milliseconds() {
  using namespace std::chrono;
  return duration<double, std::milli>(steady_clock::now().time_since_epoch()).count();
}

double median(std::vector<double>& times) {
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

// Noise, and a square for each object that moves a little from frame to frame.
Clip make_clip(const TrainBenchOptions& o) {
  const int64_t h = o.height, w = o.width;
  Clip clip{.name = "noise",
            .frames = Tensor::empty({o.frames, h, w, 3}),
            .masks = Tensor::zeros({o.frames, h, w}, DType::u8),
            .objects = o.objects};
  for (int64_t i = 0; i < clip.frames.numel(); ++i)
    clip.frames.data<float>()[i] = float(random_uniform(1, uint64_t(i)));
  for (int t = 0; t < o.frames; ++t)
    for (int k = 0; k < o.objects; ++k)
      for (int64_t i = h / 4; i < h * 3 / 4; ++i)
        for (int64_t j = w * k / o.objects; j < w * k / o.objects + w / (2 * o.objects); ++j)
          clip.masks.data<uint8_t>()[(t * h + i) * w + j + 4 * t] = uint8_t(k + 1);
  return clip;
}

}  // namespace

void bench_train(const TrainBenchOptions& o) {
  check(o.frames >= 2, "bench: a clip for --train has at least 2 frames; given ", o.frames);
  const bool cuda = o.device.kind == Device::cuda;
  if (cuda) cuda_backend().limit_memory(o.device, o.device_memory);
  Rng rng{1};
  MUNet model(preset(o.preset), rng);
  if (cuda) nn::to(model, o.device);
  const std::vector<nn::NamedTensor> parameters = nn::parameters(model);
  nn::AdamW optimizer({{.parameters = parameters}});
  const nn::LossScaler scaler(1024);  // one scale for all steps: what they find does not matter
  const Clip clip = make_clip(o);

  enum { kForward, kBackward, kAdamW, kStep };
  const char* names[] = {"forward", "backward", "AdamW", "step"};
  const auto now = [&] {  // all that was asked for is done
    if (cuda) cuda_backend().synchronize(o.device);
    return milliseconds();
  };
  std::vector<double> times[4];
  const auto step = [&](bool timed) {
    double marks[4] = {now()};
    nn::zero_grad(parameters);
    {
      const Rollout found = roll_out(model, clip, true, {}, storage_type(o.precision));
      marks[1] = now();
      if (o.precision == Precision::f16)
        backward(found.loss, scaler.seed(found.loss)), scaler.unscale(parameters);
      else
        backward(found.loss);
    }
    marks[2] = now();
    optimizer.step(1e-5);
    marks[3] = now();
    if (!timed) return;
    for (int i = 0; i < 3; ++i) times[i].push_back(marks[i + 1] - marks[i]);
    times[kStep].push_back(marks[3] - marks[0]);
  };
  const auto measure = [&] {
    for (std::vector<double>& of : times) of.clear();
    cuda ? cuda_backend().reset_peak(o.device) : memory::reset_peak();
    step(false);  // warms up
    for (int round = 0; round < o.rounds; ++round) step(true);
  };
  try {
    measure();
  } catch (const OutOfMemory&) {
    model.set_recompute(true);
    measure();
  }
  const std::size_t most = cuda ? cuda_backend().memory(o.device).peak : memory::peak();
  const double peak = double(most) / (1 << 20);
  if (o.json) {
    std::printf("%s\n", nlohmann::json{{"step_ms", median(times[kStep])},
                                       {"forward_ms", median(times[kForward])},
                                       {"backward_ms", median(times[kBackward])},
                                       {"adamw_ms", median(times[kAdamW])},
                                       {"peak_mib", peak},
                                       {"recompute", model.recompute()}}
                            .dump()
                            .c_str());
    return;
  }
  std::printf("%s training step, clip of %d frames %ldx%ld, %d object%s, %s, median of %d rounds\n",
              o.preset.c_str(), o.frames, o.height, o.width, o.objects, o.objects == 1 ? "" : "s",
              cuda ? str(cuda_backend().describe(o.device), ", ", name(o.precision)).c_str()
                   : str(num_threads(), " threads").c_str(),
              o.rounds);
  for (int i = 0; i < 4; ++i) std::printf("  %-10s %9.1f ms\n", names[i], median(times[i]));
  std::printf("tensors take at most %.0f MiB%s\n", peak,
              model.recompute() ? ", with recomputation" : "");
}
