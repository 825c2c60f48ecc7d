// `munet export`: from a training checkpoint to weights.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "apps/train/command.h"
#include "apps/train/state.h"
#include "apps/units.h"
#include "data/file.h"
#include "nn/checkpoint.h"
#include "tensor/error.h"

using namespace munet;
namespace fs = std::filesystem;

namespace {

struct Options {
  std::string checkpoint, out, part_size;
  bool plain = false, half = false, force = false;
};

// OUT.00, OUT.01, ...: their bytes one after the other are the file.
void split(const fs::path& path, std::size_t part_bytes) {
  check(part_bytes > 0, "--part-size: expected at least one byte");
  const std::vector<uint8_t> bytes = read_file("export", path);
  int parts = 0;
  for (std::size_t at = 0; at < bytes.size(); at += part_bytes) {
    char suffix[16];
    std::snprintf(suffix, sizeof suffix, ".%02d", parts++);
    check(parts <= 100, "--part-size: expected at most 100 parts");
    write_file("export", path.string() + suffix,
               {bytes.begin() + std::ptrdiff_t(at),
                bytes.begin() + std::ptrdiff_t(std::min(bytes.size(), at + part_bytes))});
  }
  fs::remove(path);
  std::printf("%d parts; cat %s.* > %s joins them\n", parts, path.c_str(), path.c_str());
}

void export_weights(const Options& options) {
  check(options.force || !fs::exists(options.out), "export: ", options.out,
        " exists; --force replaces it");
  const std::unique_ptr<TrainState> state = load_state(options.checkpoint);
  const bool averaged = state->ema && !options.plain;
  nn::save_checkpoint(options.out,
                      {weights(*state, averaged), {{"munet", to_json(state->recipe.model)}}},
                      options.half);
  std::printf("%s: %s weights after step %lld, %s, %s\n", options.out.c_str(),
              averaged ? "averaged" : "plain", (long long)state->step, options.half ? "F16" : "F32",
              format_bytes(double(fs::file_size(options.out))).c_str());
  if (!options.part_size.empty()) split(options.out, parse_bytes(options.part_size));
}

}  // namespace

void add_export(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("export", "Weights alone from a training run, for munet segment");
  command->footer("Example:\n  munet export out/toy/last.safetensors -o toy.safetensors");
  command->add_option("CHECKPOINT", options->checkpoint, "last.safetensors of a run")->required();
  command->add_option("-o,--out", options->out, "File to write")->required();
  command->add_flag("--plain", options->plain,
                    "The weights of the last step (default: the averaged ones, if there are any)");
  command->add_flag("--half", options->half, "Store as F16");
  command->add_option("--part-size", options->part_size, "Cut into OUT.00, OUT.01, ... of 15MiB");
  command->add_flag("--force", options->force, "Replace what is there");
  command->callback([options] { export_weights(*options); });
}
