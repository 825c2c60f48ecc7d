// Options only; the work is in loop.h.
#include "apps/train/command.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "apps/train/loop.h"
#include "apps/train/source.h"
#include "apps/units.h"
#include "tensor/error.h"
#include "tensor/parallel.h"

using namespace munet;
namespace fs = std::filesystem;

namespace {

struct Options {
  std::string out, preset, init;
  std::vector<std::string> sets, data, validate;
  bool resume = false, force = false;
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

std::unique_ptr<TrainState> begin(const Options& options) {
  const fs::path last = options.run.out / "last.safetensors";
  if (!options.resume) {
    check(options.force || !fs::exists(last), "train: ", options.out,
          " holds a run already; --resume goes on with it, --force begins again");
    check(!options.preset.empty(), "train: expected --preset; given none");
    return std::make_unique<TrainState>(options.recipe({}));
  }
  std::unique_ptr<TrainState> state = load_state(last);
  const std::vector<std::string> lines =
      differences(state->recipe, last.string(), options.recipe(state->recipe), "the options");
  std::string text;
  for (const std::string& line : lines) text += (text.empty() ? "" : "; ") + line;
  check(lines.empty(), "train: --resume goes on as the run was begun, but ", text);
  return state;
}

void train(const Options& options) {
  if (options.threads > 0) set_num_threads(options.threads);
  fs::create_directories(options.run.out);
  std::unique_ptr<TrainState> state = begin(options);
  const std::unique_ptr<ClipSource> source = make_source(state->recipe);
  check(state->data.empty() || state->data == source->fingerprint(), "train: --resume expects the ",
        "data that the run began with (", state->data, "); found ", source->fingerprint());
  state->data = source->fingerprint();
  std::printf("%s\n%s\n", source->summary().c_str(), state->init_report.c_str());
  switch (run_training(*state, *source, options.run)) {
    case Ending::finished:
      std::printf("finished: %s\n", options.out.c_str());
      break;
    case Ending::out_of_time:
    case Ending::interrupted:
      std::printf("stopped after step %lld; the same command with --resume goes on\n",
                  (long long)state->step);
  }
}

}  // namespace

void add_train(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("train", "Trains a network; --preset toy needs no data");
  command->add_option("OUT", options->out, "Folder for checkpoints, logs and the report")
      ->required();
  std::string presets;
  for (const std::string& name : recipe_presets()) presets += (presets.empty() ? "" : ", ") + name;
  command->add_option("--preset", options->preset, "Recipe: " + presets);
  command->add_option("--set", options->sets,
                      "KEY=VALUE of the recipe or of the model; repeatable");
  command->add_option("--data", options->data, "KIND:FOLDER of clips; repeatable");
  command->add_option("--init", options->init,
                      "Weights to start from: a ResNet (safetensors, .pth) or a munet checkpoint");
  command->add_option("--validate", options->validate, "DATASET/SEQUENCE held out; repeatable");
  command->add_flag("--resume", options->resume, "Go on from OUT/last.safetensors");
  command->add_flag("--force", options->force, "Begin again where a run is already");
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
  command->add_option("--threads", options->threads, "CPU threads (default: all cores)")
      ->check(CLI::Range(1, 256));
  command->callback([options] {
    options->run.out = options->out;
    train(*options);
  });
}
