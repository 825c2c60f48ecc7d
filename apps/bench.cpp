#include "apps/bench.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "autograd/node.h"
#include "autograd/ops.h"
#include "munet/model.h"
#include "nn/fold.h"
#include "tensor/cpu/peak.h"
#include "tensor/parallel.h"

namespace {

using namespace munet;

struct Options {
  std::string preset = "munet18", size = "480x864";
  int objects = 1, frames = 5, threads = 0, rounds = 7;
  bool json = false;
};

double milliseconds() {
  using namespace std::chrono;
  return duration<double, std::milli>(steady_clock::now().time_since_epoch()).count();
}

// What a stage has to do at the least: multiply-adds of direct convolution, and bytes if every
// convolution reads its input and weights once and writes its output once.
struct Work {
  double mac = 0, bytes = 0;
  Work operator+(const Work& o) const { return {mac + o.mac, bytes + o.bytes}; }
  Work operator-(const Work& o) const { return {mac - o.mac, bytes - o.bytes}; }
  Work operator*(double n) const { return {mac * n, bytes * n}; }
};

// The work of every convolution of a model, by name.
struct WorkCounter : nn::Visitor {
  int64_t h, w;  // of the padded frame
  bool bottleneck;
  std::map<std::string, Work> work;

  WorkCounter(int64_t h, int64_t w, bool bottleneck) : h(h), w(w), bottleneck(bottleneck) {}
  void enter(const std::string& name, nn::Module& child) override {
    if (const auto* conv = dynamic_cast<const nn::Conv2d*>(&child)) {
      const int64_t scale = output_scale(name), stride = conv->options.stride;
      const double positions = double(h / scale * (w / scale)),
                   weights = double(conv->weight.numel());
      const double in = double(conv->weight.dim(3) * stride * stride),
                   out = double(conv->weight.dim(0));
      work[name] = {weights * positions, 4 * (weights + positions * (in + out))};
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

  // Over the names that start with `start` and contain `part`.
  Work sum(const std::string& start, const std::string& part = "") const {
    Work total;
    for (const auto& [name, one] : work)
      if (name.rfind(start, 0) == 0 && name.find(part) != std::string::npos) total = total + one;
    return total;
  }
};

struct Stage {
  const char* name;
  Work work;
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

void print_table(const Options& o, std::vector<Stage>& stages, double peak) {
  std::printf(
      "%s %s, %d object%s, %d memory frames, %d threads, median of %d rounds; peak %.0f GFLOP/s\n",
      o.preset.c_str(), o.size.c_str(), o.objects, o.objects == 1 ? "" : "s", o.frames,
      num_threads(), o.rounds, peak * 1e-9);
  std::printf("%-20s %9s %9s %9s %9s %9s\n", "stage", "GMAC", "MB", "ms", "GFLOP/s", "of peak");
  for (Stage& stage : stages) {
    const double ms = stage.median(), rate = 2e3 * stage.work.mac / ms;
    std::printf("%-20s %9.2f %9.0f %9.1f %9.0f %8.0f%%\n", stage.name, stage.work.mac * 1e-9,
                stage.work.bytes * 1e-6, ms, rate * 1e-9, 100 * rate / peak);
  }
  std::printf(
      "GFLOP/s count direct convolution; Winograd needs fewer, so more than 100 %% is no error\n");
  std::printf("frame_ms %.1f\n", stages.back().median());
}

void print_json(const Options& o, std::vector<Stage>& stages, double peak) {
  nlohmann::ordered_json json{{"preset", o.preset},         {"size", o.size},
                              {"objects", o.objects},       {"frames", o.frames},
                              {"threads", num_threads()},   {"rounds", o.rounds},
                              {"peak_gflops", peak * 1e-9}, {"frame_ms", stages.back().median()}};
  for (Stage& stage : stages)
    json["stages"].push_back({{"name", stage.name},
                              {"gmac", stage.work.mac * 1e-9},
                              {"mb", stage.work.bytes * 1e-6},
                              {"ms", stage.median()}});
  std::printf("%s\n", json.dump(1).c_str());
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

  WorkCounter counter(h, w, model.config.backbone == "resnet50");
  counter.walk(model);
  const int64_t positions = h / 16 * (w / 16), n = o.objects;
  const double cells = double(positions), dk = model.config.key_dim, dv = model.config.value_dim;
  const double window = model.config.window;

  const Tensor x = random({1, h, w, 3}, 1, -2, 2), masks = random({n, h, w}, 2, 0, 1);
  const QueryFeatures previous = model.encode_query(random({1, h, w, 3}, 3, -2, 2));
  std::vector<MemorySlot> slots;
  for (int64_t i = 0; i < n * o.frames; ++i)
    slots.push_back(pack_memory(random({positions, int64_t(dk)}, 10 + uint64_t(i), -1, 1),
                                random({positions, int64_t(dv)}, 900 + uint64_t(i), -1, 1)));

  enum { kEncode, kMemorize, kMotion, kKeyValue, kRead, kDecode, kAggregate, kFrame };
  const double matched = double(previous.motion.dim(3)), memory = double(n * o.frames) * cells;
  const Work stem = counter.work["encoder_r.conv1"], shared = counter.sum("decoder", "_skip");
  std::vector<Stage> stages = {
      {"encode query", counter.sum("encoder_q") + counter.sum("mu_layer.reduce")},
      {"memorize",
       stem + (counter.sum("encoder_r") - stem + counter.sum("kv_reference")) * double(n)},
      {"motion, attention",
       counter.sum("mu_layer.motion") + counter.sum("msam") +
           Work{window * window * cells * matched, 4 * cells * (2 * matched + 3)}},
      {"query key, value", counter.sum("kv_query")},
      {"memory read", {memory * cells * (dk + dv), 4 * (memory + cells) * (dk + dv)}},
      {"decode", shared + (counter.sum("decoder") - shared) * double(n)},
      {"soft aggregation", {0, 4 * double(h * w) * double(3 * n + 2)}},
      {"frame", {}}};
  for (int i = kEncode; i < kFrame; ++i)
    stages[kFrame].work = stages[kFrame].work + stages[std::size_t(i)].work;

  double peak = 0;  // of the whole run: the clock may rise and fall with what neighbours do
  for (int round = -1; round < o.rounds; ++round) {  // the first round warms up
    peak = std::max(peak, cpu::measure_peak());
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

  o.json ? print_json(o, stages, peak) : print_table(o, stages, peak);
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
  bench->add_flag("--json", options->json, "Print JSON instead of a table");
  bench->callback([options] { run(*options); });
}
