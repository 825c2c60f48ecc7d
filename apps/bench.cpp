#include "apps/bench.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "autograd/node.h"
#include "autograd/ops.h"
#include "munet/model.h"
#include "nn/fold.h"
#include "tensor/parallel.h"

namespace {

using namespace munet;

struct Options {
  std::string preset = "munet18", size = "480x864";
  int objects = 1, frames = 5, threads = 0, rounds = 7;
};

double milliseconds() {
  using namespace std::chrono;
  return duration<double, std::milli>(steady_clock::now().time_since_epoch()).count();
}

// Multiply-adds of a convolution for every position of its output.
struct WorkCounter : nn::Visitor {
  int64_t h, w;                       // of the padded frame
  std::map<std::string, double> mac;  // by name

  WorkCounter(int64_t h, int64_t w) : h(h), w(w) {}
  void enter(const std::string& name, nn::Module& child) override {
    if (const auto* conv = dynamic_cast<const nn::Conv2d*>(&child)) {
      const int64_t scale = output_scale(name);
      mac[name] = double(conv->weight.numel()) * double(h / scale) * double(w / scale);
    }
    nn::Visitor::enter(name, child);
  }
  // The frame's size over the size of what convolution `name` puts out.
  int64_t output_scale(const std::string& name) const {
    const auto has = [&](const std::string& part) { return name.find(part) != std::string::npos; };
    if (has("refine2") || has("pred")) return 4;
    if (has("refine3")) return 8;
    if (has(".conv1") && !has("layer") && has("encoder")) return 2;
    for (int stage = 1; stage <= 3; ++stage) {
      if (!has("layer" + std::to_string(stage))) continue;
      const int64_t scale = int64_t{2} << stage;
      // A bottleneck's first 1x1 comes before the stride of its first block.
      return bottleneck && stage > 1 && has(".0.conv1") ? scale / 2 : scale;
    }
    return 16;
  }
  bool bottleneck = false;

  // Sum over the names that start with `start` and contain `part`.
  double sum(const std::string& start, const std::string& part = "") const {
    double total = 0;
    for (const auto& [name, value] : mac)
      if (name.rfind(start, 0) == 0 && name.find(part) != std::string::npos) total += value;
    return total;
  }
};

struct Stage {
  const char* name;
  double mac;
  std::vector<double> times = {};
  double median() {
    std::sort(times.begin(), times.end());
    return times[times.size() / 2];
  }
};

Tensor random(const Shape& shape, uint64_t seed, double low, double high) {
  Tensor x = Tensor::empty(shape);
  for (int64_t i = 0; i < x.numel(); ++i)
    x.data<float>()[i] = float(low + (high - low) * random_uniform(seed, uint64_t(i)));
  return x;
}

void run(const Options& o) {
  int64_t h = 0, w = 0;
  check(std::sscanf(o.size.c_str(), "%ldx%ld", &h, &w) == 2 && h > 0 && w > 0 && h % 16 == 0 &&
            w % 16 == 0 && h <= 8192 && w <= 8192,
        "bench: expected --size HEIGHTxWIDTH, multiples of 16; given '", o.size, "'");
  if (o.threads > 0) set_num_threads(o.threads);
  NoGrad no_grad;
  Rng rng{1};
  MUNet model(preset(o.preset), rng);
  nn::train(model, false);
  nn::freeze(model);

  WorkCounter work(h, w);
  work.bottleneck = model.config.backbone == "resnet50";
  work.walk(model);
  const int64_t positions = h / 16 * (w / 16), n = o.objects;
  const double dk = model.config.key_dim, dv = model.config.value_dim;
  const double stem = work.sum("encoder_r.conv1") - work.sum("encoder_r.conv1_");
  const double shared = work.sum("decoder", "_skip");
  const double window = model.config.window;

  const Tensor x = random({1, h, w, 3}, 1, -2, 2), masks = random({n, h, w}, 2, 0, 1);
  const QueryFeatures previous = model.encode_query(random({1, h, w, 3}, 3, -2, 2));
  std::vector<MemorySlot> slots;
  for (int64_t i = 0; i < n * o.frames; ++i)
    slots.push_back(pack_memory(random({positions, int64_t(dk)}, 10 + uint64_t(i), -1, 1),
                                random({positions, int64_t(dv)}, 900 + uint64_t(i), -1, 1)));

  enum { kEncode, kMemorize, kMotion, kKeyValue, kRead, kDecode, kAggregate, kFrame };
  std::vector<Stage> stages = {
      {"encode query", work.sum("encoder_q") + work.sum("mu_layer.reduce")},
      {"memorize", stem + double(n) * (work.sum("encoder_r") - stem + work.sum("kv_reference"))},
      {"motion, attention",
       work.sum("mu_layer.motion") + work.sum("msam") +
           window * window * double(positions) * double(previous.motion.dim(3))},
      {"query key, value", work.sum("kv_query")},
      {"memory read", double(n * o.frames) * double(positions) * double(positions) * (dk + dv)},
      {"decode", shared + double(n) * (work.sum("decoder") - shared)},
      {"soft aggregation", 0},
      {"frame", 0}};
  for (int i = kEncode; i < kFrame; ++i) stages[kFrame].mac += stages[std::size_t(i)].mac;

  for (int round = -1; round < o.rounds; ++round) {  // the first round warms up
    std::vector<double> marks{milliseconds()};
    const auto mark = [&] { marks.push_back(milliseconds()); };
    const QueryFeatures query = model.encode_query(x);
    mark();
    model.memorize(x, masks);
    mark();
    const Tensor f_out = model.fuse_motion(query, &previous);
    mark();
    const KeyValue kv = model.query_key_value(f_out);
    mark();
    Tensors read;
    for (int64_t k = 0; k < n; ++k) {
      std::vector<const MemorySlot*> bank;
      for (int64_t t = 0; t < o.frames; ++t) bank.push_back(&slots[std::size_t(k * o.frames + t)]);
      read.push_back(memory_read(bank, kv.key.view({positions, int64_t(dk)}))
                         .view({1, positions, int64_t(dv)}));
    }
    const Tensor reads = n == 1 ? read[0] : concat(read, 0);
    mark();
    const Tensor z = model.decode(reads, kv.value, query);
    mark();
    softmax(soft_aggregate(z), -1);
    mark();
    if (round < 0) continue;
    for (std::size_t i = 0; i + 1 < marks.size(); ++i)
      stages[i].times.push_back(marks[i + 1] - marks[i]);
    stages[kFrame].times.push_back(marks.back() - marks.front());
  }

  std::printf("%s %s, %d object%s, %d memory frames, %d threads, median of %d rounds\n",
              o.preset.c_str(), o.size.c_str(), o.objects, o.objects == 1 ? "" : "s", o.frames,
              num_threads(), o.rounds);
  std::printf("%-20s %9s %9s %9s\n", "stage", "GMAC", "ms", "GFLOP/s");
  for (Stage& stage : stages) {
    const double ms = stage.median();
    std::printf("%-20s %9.2f %9.1f %9.0f\n", stage.name, stage.mac * 1e-9, ms,
                2e-6 * stage.mac / ms);
  }
  std::printf("frame_ms %.1f\n", stages[kFrame].median());
}

}  // namespace

void add_bench(CLI::App& app) {
  CLI::App* bench = app.add_subcommand(
      "bench", "Time each stage of one frame: encode query, memorise the previous frame, segment");
  auto options = std::make_shared<Options>();
  bench->add_option("--preset", options->preset, "munet18 or munet50")->capture_default_str();
  bench->add_option("--size", options->size, "height x width of the padded frame, pixels")
      ->capture_default_str();
  bench->add_option("--objects", options->objects, "objects")
      ->check(CLI::Range(1, 254))
      ->capture_default_str();
  bench->add_option("--frames", options->frames, "frames in memory, per object")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  bench->add_option("--threads", options->threads, "CPU threads; 0: all")
      ->check(CLI::Range(0, 256))
      ->capture_default_str();
  bench->add_option("--rounds", options->rounds, "timed rounds")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  bench->callback([options] { run(*options); });
}
