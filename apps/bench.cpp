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

#include "apps/bench_train.h"
#include "apps/units.h"
#include "autograd/node.h"
#include "autograd/ops.h"
#include "munet/model.h"
#include "nn/fold.h"
#include "tensor/cpu/peak.h"
#include "tensor/parallel.h"
#include "tensor/precision.h"
#include "tensor/replay.h"
#include "tensor/tally.h"

namespace {

using namespace munet;

struct Options {
  std::string preset = "munet18", size = "480x864", device = "cpu", precision = "f32",
              device_memory;
  int objects = 1, frames = 0, threads = 0, rounds = 7;
  bool json = false, train = false;
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

// Where and in what a run computes, and its clock.
struct Place {
  Device device;
  DType storage;
  bool cuda() const { return device.kind == Device::cuda; }
  Tensor put(const Tensor& x) const { return cast(x.to(device), storage); }
  // Everything that was asked for is done.
  double now() const {
    if (cuda()) cuda_backend().synchronize(device);
    return milliseconds();
  }
  std::string name(const Options& o) const {
    return cuda() ? cuda_backend().describe(device) + ", " + o.precision
                  : str(num_threads(), " threads");
  }
  // FLOP/s of the CPU's multiply-adds; of a GPU's matrix products of side 4096 in this precision.
  double peak() const {
    if (!cuda()) return cpu::measure_peak();
    constexpr int64_t kSide = 4096, kTimes = 5;
    const Tensor a = put(random({kSide, kSide}, 5, -1, 1));
    matmul(a, a);
    const double start = now();
    for (int64_t i = 0; i < kTimes; ++i) matmul(a, a);
    return 2e3 * kTimes * kSide * kSide * kSide / (now() - start);
  }
  // Bytes read and written per second by a copy of 256 MiB.
  double copy_rate() const {
    const Tensor from = Tensor::zeros({int64_t{64} << 20}, DType::f32, device);
    Tensor to = from.clone();
    const double start = now();
    for (int i = 0; i < 5; ++i) to = from.clone();
    return 2e3 * 5 * double(from.bytes()) / (now() - start);
  }
};

void print_table(const Options& o, const Place& place, std::vector<Stage>& stages, double peak) {
  std::printf("%s %s, %d object%s, %d memory frames, %s, median of %d rounds; peak %.0f GFLOP/s\n",
              o.preset.c_str(), o.size.c_str(), o.objects, o.objects == 1 ? "" : "s", o.frames,
              place.name(o).c_str(), o.rounds, peak * 1e-9);
  std::printf("%-20s %9s %9s %9s %9s %9s\n", "stage", "GMAC", "MB", "ms", "GFLOP/s", "of peak");
  for (Stage& stage : stages) {
    const double ms = stage.median(), rate = 2e3 * stage.work.mac / ms;
    std::printf("%-20s %9.2f %9.0f %9.1f %9.0f %8.0f%%\n", stage.name, stage.work.mac * 1e-9,
                stage.work.bytes * 1e-6, ms, rate * 1e-9, 100 * rate / peak);
  }
  std::printf(
      "GFLOP/s count direct convolution; Winograd needs fewer, so more than 100 %% is no error\n");
  if (place.cuda()) {
    std::printf(
        "stages are queued one by one and waited for; the frame as a whole is recorded and "
        "replayed\n");
    std::printf("copy_gb_s %.0f\n", place.copy_rate() * 1e-9);
    std::printf("peak_mib %.0f\n", double(cuda_backend().memory(place.device).peak) / (1 << 20));
    std::printf("who served what, calls:\n%s", tally_report().c_str());
  }
  std::printf("frame_ms %.1f\n", stages.back().median());
}

void print_json(const Options& o, const Place& place, std::vector<Stage>& stages, double peak) {
  nlohmann::ordered_json json{{"preset", o.preset},         {"size", o.size},
                              {"device", o.device},         {"precision", o.precision},
                              {"objects", o.objects},       {"frames", o.frames},
                              {"threads", num_threads()},   {"rounds", o.rounds},
                              {"peak_gflops", peak * 1e-9}, {"frame_ms", stages.back().median()}};
  for (Stage& stage : stages)
    json["stages"].push_back({{"name", stage.name},
                              {"gmac", stage.work.mac * 1e-9},
                              {"mb", stage.work.bytes * 1e-6},
                              {"ms", stage.median()}});
  if (place.cuda()) {
    json["card"] = place.name(o);
    json["copy_gb_s"] = place.copy_rate() * 1e-9;
    json["peak_bytes"] = cuda_backend().memory(place.device).peak;
    json["served"] = tally_report();
  }
  std::printf("%s\n", json.dump(1).c_str());
}

void run(Options o) {
  int64_t h = 0, w = 0;
  check(std::sscanf(o.size.c_str(), "%ldx%ld", &h, &w) == 2 && h > 0 && w > 0 && h % 16 == 0 &&
            w % 16 == 0 && h <= 8192 && w <= 8192,
        "bench: expected --size HEIGHTxWIDTH, multiples of 16; given '", o.size, "'");
  if (o.threads > 0) set_num_threads(o.threads);
  if (o.frames == 0) o.frames = o.train ? 3 : 5;
  const Precision precision = parse_precision(o.precision);
  const Place place{parse_device(o.device), storage_type(precision)};
  check(place.cuda() || precision == Precision::f32, "bench: the CPU computes in f32; given ",
        o.precision, " (tf32, bf16 and f16 are for --device cuda)");
  check(o.device_memory.empty() || (o.train && place.cuda()),
        "bench: --device-memory is for --train --device cuda; given --device ", o.device);
  set_fast_matmul(precision == Precision::tf32);
  if (o.train)
    return bench_train({o.preset, h, w, o.objects, o.frames, o.rounds, o.json, place.device,
                        precision, o.device_memory.empty() ? 0 : parse_bytes(o.device_memory)});
  NoGrad no_grad;
  Rng rng{1};
  MUNet model(preset(o.preset), rng);
  nn::train(model, false);
  if (place.cuda()) nn::to(model, place.device);
  nn::freeze(model, place.storage);

  WorkCounter counter(h, w, model.config.backbone == "resnet50");
  counter.walk(model);
  const int64_t positions = h / 16 * (w / 16), n = o.objects;
  const double cells = double(positions), dk = model.config.key_dim, dv = model.config.value_dim;
  const double window = model.config.window;

  const Tensor x = place.put(random({1, h, w, 3}, 1, -2, 2));
  const Tensor masks = random({n, h, w}, 2, 0, 1).to(place.device);
  const QueryFeatures previous = model.encode_query(place.put(random({1, h, w, 3}, 3, -2, 2)));
  std::vector<MemorySlot> slots;
  for (int64_t i = 0; i < n * o.frames; ++i)
    slots.push_back(
        pack_memory(place.put(random({positions, int64_t(dk)}, 10 + uint64_t(i), -1, 1)),
                    place.put(random({positions, int64_t(dv)}, 900 + uint64_t(i), -1, 1))));

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

  const auto frame = [&](auto&& mark) {
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
    const Tensor probability = softmax(soft_aggregate(z), -1);
    mark();
    return probability;
  };
  double peak = 0;  // of the whole run: the clock may rise and fall with what neighbours do
  Replay replay;
  // The first rounds warm up: one run, on a GPU one more that records it, and one that replays.
  for (int round = place.cuda() ? -3 : -1; round < o.rounds; ++round) {
    peak = std::max(peak, place.peak());
    std::vector<double> marks{place.now()};
    frame([&] { marks.push_back(place.now()); });
    double total = marks.back() - marks.front();
    if (place.cuda()) {  // as a segmenter does it: replayed, without waiting in between
      const double start = place.now();
      replay("frame", {x}, [&](const Tensors&) -> Tensors { return {frame([] {})}; });
      total = place.now() - start;
    }
    if (round < 0) continue;
    for (std::size_t i = 0; i + 1 < marks.size(); ++i)
      stages[i].times.push_back(marks[i + 1] - marks[i]);
    stages[kFrame].times.push_back(total);
  }

  o.json ? print_json(o, place, stages, peak) : print_table(o, place, stages, peak);
}

}  // namespace

void add_bench(CLI::App& app) {
  CLI::App* bench = app.add_subcommand(
      "bench", "Time each stage of one frame: encode query, memorise the previous frame, segment");
  auto options = std::make_shared<Options>();
  bench->footer("Example:\n  munet bench --preset munet18 --threads 2");
  bench->add_option("--preset", options->preset, "munet18 or munet50")->capture_default_str();
  bench->add_option("--size", options->size, "height x width of the padded frame, pixels")
      ->capture_default_str();
  bench->add_option("--objects", options->objects, "objects")
      ->check(CLI::Range(1, 254))
      ->capture_default_str();
  bench
      ->add_option("--frames", options->frames,
                   "frames in memory, per object (default 5); with --train, of the clip (3)")
      ->check(CLI::Range(1, 1000));
  bench->add_option("--device", options->device, "cpu, cuda or cuda:N")->capture_default_str();
  bench->add_option("--precision", options->precision, "f32; on a GPU also tf32, bf16 and f16")
      ->check(CLI::IsMember({"f32", "tf32", "bf16", "f16"}))
      ->capture_default_str();
  bench->add_option("--device-memory", options->device_memory,
                    "with --train: what tensors may take on the GPU, like 11GiB (default: all)");
  bench->add_option("--threads", options->threads, "CPU threads; 0: all")
      ->check(CLI::Range(0, 256))
      ->capture_default_str();
  bench->add_option("--rounds", options->rounds, "timed rounds")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  bench->add_flag("--train", options->train,
                  "Time a training step instead: forward, backward and AdamW on one clip");
  bench->add_flag("--json", options->json, "Print JSON instead of a table");
  bench->callback([options] { run(*options); });
}
