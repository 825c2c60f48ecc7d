// Options only; the work is in loop.h.
#include "apps/train/command.h"

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <memory>

#include "apps/train/loop.h"
#include "apps/train/step.h"
#include "apps/train/validate.h"
#include "apps/units.h"
#include "data/sheet.h"
#include "data/training_clips.h"
#include "tensor/error.h"
#include "tensor/parallel.h"

using namespace munet;
namespace fs = std::filesystem;

namespace {

struct Options {
  std::string out, preset, init, preview, device = "cpu", precision = "f32", device_memory;
  std::vector<std::string> sets, data, validate;
  bool resume = false, force = false, dry_run = false;
  int threads = 0;
  RunOptions run;

  // The recipe that these options say, on top of `base`.
  Recipe recipe(Recipe base) const {
    if (!preset.empty()) base = recipe_preset(preset);
    if (!init.empty()) base.init = init;
    if (!data.empty()) base.data = data;
    if (!validate.empty()) base.validate = validate;
    for (const std::string& assignment : sets) set_key(base, assignment);
    return base;
  }
};

std::unique_ptr<ClipSource> open_source(const Recipe& recipe) {
  check(!recipe.data.empty(), "train: expected --data KIND:PATH; given none");
  std::vector<DataPart> parts;
  for (const std::string& text : recipe.data) parts.push_back(parse_data_part(text));
  return open_clips(parts, recipe.clips, uint64_t(recipe.seed));
}

std::unique_ptr<TrainState> begin(const Options& options) {
  const fs::path last = options.run.out / "last.safetensors";
  if (!options.resume) {
    check(options.force || !fs::exists(last), "train: ", options.out,
          " holds a run already; --resume goes on with it, --force begins again");
    check(!options.preset.empty(), "train: expected --preset; given none");
    return std::make_unique<TrainState>(options.recipe({}), parse_device(options.device),
                                        parse_precision(options.precision));
  }
  std::unique_ptr<TrainState> state =
      load_state(last, parse_device(options.device), parse_precision(options.precision));
  const std::vector<std::string> lines =
      differences(state->recipe, last.string(), options.recipe(state->recipe), "the options");
  std::string text;
  for (const std::string& line : lines) text += (text.empty() ? "" : "; ") + line;
  check(lines.empty(), "train: --resume goes on as the run was begun, but ", text);
  return state;
}

// Two steps that are forgotten again: everything is opened and used once, and the time is known.
void try_out(TrainState& state, const ClipSource& source) {
  using Clock = std::chrono::steady_clock;
  const auto seconds_since = [](Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  double loading = 0, all = 0, loss = 0;
  for (int i = 0; i < 2; ++i) {
    const Clock::time_point start = Clock::now();
    loading = 0;
    loss = train_step(state, [&] {
             const Clock::time_point begin = Clock::now();
             Clip clip = source.clip(state.clips);
             loading += seconds_since(begin);
             return clip;
           }).loss;
    all = seconds_since(start);
  }
  std::printf(
      "dry run: %.2f s a step, of which %.2f s make clips; loss %.3f; projected %s for %lld "
      "steps; peak %s\n",
      all, loading, loss, format_seconds(all * double(state.recipe.steps)).c_str(),
      (long long)state.recipe.steps, format_bytes(peak_bytes()).c_str());
}

void train(const Options& options) {
  if (options.threads > 0) set_num_threads(options.threads);
  const Device device = parse_device(options.device);
  check(options.device_memory.empty() || device.kind == Device::cuda,
        "train: --device-memory is for --device cuda; given ", device);
  if (device.kind == Device::cuda)
    cuda_backend().limit_memory(
        device, options.device_memory.empty() ? 0 : parse_bytes(options.device_memory));
  std::unique_ptr<TrainState> state = begin(options);
  const std::unique_ptr<ClipSource> source = open_source(state->recipe);
  check(state->data.empty() || state->data == source->fingerprint(),
        "train: --resume expects the data that the run began with (", state->data, "); found ",
        source->fingerprint());
  state->data = source->fingerprint();
  validation_truth(state->recipe);  // its errors come before anything is written
  if (!source->summary().empty()) std::printf("%s\n", source->summary().c_str());
  if (!state->init_report.empty()) std::printf("%s\n", state->init_report.c_str());
  if (!options.preview.empty()) {
    constexpr int kRows = 12;
    write_png_rgb(options.preview, clip_sheet(*source, state->clips, kRows));
  }
  const auto report_memory = [&] {
    if (device.kind == Device::cuda)
      std::printf("%s: peak %s of tensors%s\n", cuda_backend().describe(device).c_str(),
                  format_bytes(cuda_backend().memory(device).peak).c_str(),
                  state->model.recompute() ? "; activations are computed twice" : "");
  };
  if (options.dry_run) {
    try_out(*state, *source);
    return report_memory();
  }
  fs::create_directories(options.run.out);
  const Ending ending = run_training(*state, *source, options.run);
  report_memory();
  for (const std::string& fault : source->faults()) std::printf("skipped: %s\n", fault.c_str());
  if (ending == Ending::finished)
    std::printf("finished: %s\n", (options.run.out / "final.safetensors").c_str());
  else
    std::printf("stopped after step %lld; the same command with --resume goes on\n",
                (long long)state->step);
}

}  // namespace

void add_train(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("train", "Trains a network; --preset toy needs no data");
  command->footer("Example:\n  munet train out/toy --preset toy");
  command->add_option("OUT", options->out, "Folder for checkpoints, logs and the report")
      ->required();
  std::string presets;
  for (const std::string& name : recipe_presets()) presets += (presets.empty() ? "" : ", ") + name;
  command->add_option("--preset", options->preset, "Recipe: " + presets);
  command->add_option("--set", options->sets,
                      "KEY=VALUE of the recipe or of the model; repeatable");
  command->add_option("--data", options->data,
                      "KIND:PATH[,list=L][,share=S][,without=A+B]; repeatable");
  command->add_option("--init", options->init,
                      "Weights to start from: a ResNet (safetensors, .pth) or a munet checkpoint");
  command->add_option("--validate", options->validate,
                      "DATASET[@SET]:NAME[,NAME...], videos held out; repeatable");
  command->add_flag("--resume", options->resume, "Go on from OUT/last.safetensors");
  command->add_flag("--force", options->force, "Begin again where a run is already");
  command->add_flag("--dry-run", options->dry_run,
                    "Open everything, try two steps, say how long all will take, write nothing");
  command->add_option("--preview", options->preview, "PNG of the next dozen clips");
  command->add_option("--minutes", options->run.minutes, "Save and stop in time");
  command->add_option("--save-every", options->run.save_every, "Steps between checkpoints")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--log-every", options->run.log_every, "Steps between rows of the log")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command
      ->add_option("--loader-threads", options->run.loader_threads,
                   "Threads that make clips ahead; the clips are the same for any number")
      ->check(CLI::Range(0, 64))
      ->capture_default_str();
  command->add_option("--device", options->device, "cpu, cuda or cuda:N")->capture_default_str();
  command->add_option("--precision", options->precision, "f32; on a GPU also tf32, bf16 and f16")
      ->check(CLI::IsMember({"f32", "tf32", "bf16", "f16"}))
      ->capture_default_str();
  command->add_option("--device-memory", options->device_memory,
                      "What tensors may take on the GPU, like 11GiB (default: all); where it is "
                      "too little, activations are computed twice");
  command->add_option("--threads", options->threads, "CPU threads (default: all cores)")
      ->check(CLI::Range(1, 256));
  command->callback([options] {
    options->run.out = options->out;
    train(*options);
  });
}
