// Opens the data, lets data/pack.h write, and says what became of it.
#include "apps/pack.h"

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "apps/interrupt.h"
#include "apps/units.h"
#include "data/pack.h"
#include "data/training_clips.h"
#include "tensor/error.h"
#include "tensor/parallel.h"

namespace {

using namespace munet;

struct Options {
  std::vector<std::string> data;
  std::string out, max_size;
  PackOptions pack;
  int threads = 0;
  bool force = false;
};

// Sizes of files are given in MB more often than in MiB.
uint64_t parse_size(const std::string& text) {
  if (text.ends_with("MB") || text.ends_with("GB"))
    return uint64_t(double(parse_bytes(text.substr(0, text.size() - 2))) *
                    (text.ends_with("GB") ? 1e9 : 1e6));
  return parse_bytes(text);
}

// A line every few seconds.
class Report {
 public:
  void operator()(std::size_t done, std::size_t total) {
    stop_if_interrupted();
    const auto now = std::chrono::steady_clock::now();
    if (done < total && now - shown_ < std::chrono::seconds(5)) return;
    shown_ = now;
    std::fprintf(stderr, "packed %zu of %zu frames\n", done, total);
  }

 private:
  std::chrono::steady_clock::time_point shown_ = std::chrono::steady_clock::now();
};

void pack(Options options) {
  check<FileError>(options.force || options.pack.resume || !std::filesystem::exists(options.out),
                   "pack: expected a new file; ", options.out,
                   " is there already (--force replaces it)");
  if (!options.max_size.empty()) options.pack.max_bytes = parse_size(options.max_size);
  if (options.threads > 0) set_num_threads(options.threads);
  std::vector<std::unique_ptr<TrainingSet>> sets;
  for (const std::string& text : options.data) {
    const DataPart part = parse_data_part(text);
    check(part.kind != "toy", "pack: expected data in files; given toy, which needs no pack");
    sets.push_back(open_training_set(part));
    for (const std::string& notice : sets.back()->notices())
      std::fprintf(stderr, "munet: notice: %s\n", notice.c_str());
  }
  catch_interrupts();
  PackResult result;
  try {
    result = write_pack(options.out, sets, options.pack, Report());
  } catch (const Interrupted&) {
    std::fprintf(stderr, "munet: notice: the same command with --resume goes on\n");
    throw;
  }
  for (const std::string& fault : result.left_out)
    std::fprintf(stderr, "munet: notice: left out: %s\n", fault.c_str());
  std::printf("%s: %zu videos and stills, %zu frames, shorter side %d, quality %d, %s\n",
              options.out.c_str(), result.items, result.frames, result.side, result.quality,
              format_bytes(double(result.bytes)).c_str());
  if (result.resumed > 0) std::printf("%zu of them were packed before\n", result.resumed);
}

}  // namespace

void add_pack(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("pack", "Training data in one file, read fast by munet train");
  command->footer(
      "Example:\n"
      "  munet pack davis:DAVIS,list=2017/train stills:CATS -o train.pack --max-size 40MB");
  command
      ->add_option("DATA", options->data,
                   "KIND:PATH[,list=LIST][,without=NAME+NAME]; kinds: davis, youtube, folders,\n"
                   "msra10k, ecssd, pascal-s, voc2012, coco, stills, pack")
      ->required();
  command->add_option("-o,--out", options->out, "The pack")->required();
  command->add_option("--size", options->pack.side, "The shorter side of pictures, at most, pixels")
      ->capture_default_str();
  command->add_option("--quality", options->pack.quality, "Of JPEGs, 1 to 100")
      ->capture_default_str();
  command->add_option("--max-size", options->max_size,
                      "Choose size and quality so that the pack is no larger, like 40MB");
  command->add_option("--threads", options->threads, "CPU threads (default: all)")
      ->check(CLI::Range(1, 256));
  command->add_flag("--resume", options->pack.resume, "Go on where a stopped call left off");
  command->add_flag("--force", options->force, "Replace the pack if it is there already");
  command->callback([options] { pack(*options); });
}
