// Options only; the work is in segment_run.h.
#include "apps/segment.h"

#include <CLI/CLI.hpp>
#include <charconv>
#include <memory>
#include <string>

#include "apps/segment_run.h"
#include "apps/units.h"
#include "data/image.h"
#include "tensor/error.h"

namespace {

using namespace munet;

struct Options : SegmentOptions {
  std::string size = "480", memory_budget = "1GiB";
};

int parse_size(const std::string& text) {
  if (text == "raw") return 0;
  int size = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
  check(error == std::errc() && end == text.data() + text.size() && size >= 32 && size <= kMaxSide,
        "--size: expected raw or the shorter side in pixels, 32 or more; given \"", text, "\"");
  return size;
}

void add_input_options(CLI::App& command, Options& options) {
  command
      .add_option("INPUT", options.input,
                  "A video, or a folder of frames (JPEG, PNG, BMP, PNM or TGA, natural order)")
      ->required();
  command.add_option("--mask", options.mask, "Mask of the first frame: palette or grey PNG of ids")
      ->required();
  command.add_option("--masks", options.masks,
                     "Folder of further masks, given at the frames whose names (in a video: "
                     "numbers, from 0) they have");
  command.add_option("--range", options.range,
                     "Only these frames, FIRST:END, counted from 0, without END");
  command.add_option("--objects", options.objects, "Only these ids of the masks, like 1,3");
}

void add_output_options(CLI::App& command, Options& options) {
  command
      .add_option("-o,--out", options.out.masks, "Folder for the masks, one palette PNG per frame")
      ->required();
  command.add_option("--overlay", options.out.overlay, "MP4 of the frames under their masks");
  command.add_option("--cutout", options.out.cutout,
                     "The objects alone: a folder for PNGs with alpha, or an MP4 before green");
  command.add_option("--soft", options.out.soft,
                     "Folder for soft masks, ID/NAME.png, white where the object surely is");
  command.add_option("--soft-bits", options.out.soft_bits, "Grey levels of the soft masks")
      ->check(CLI::IsMember({8, 16}))
      ->capture_default_str();
  command.add_option("--rle", options.out.rle, "JSON of COCO's run-length encoded masks");
  command.add_option("--summary", options.summary, "JSON of speed, memory, settings and weights");
  command.add_flag("--force", options.force, "Replace what is there already");
  command.add_flag("--resume", options.resume, "Go on where an interrupted run stopped");
  command.add_flag("--estimate", options.estimate,
                   "Try the first frames, print time and memory, and write nothing");
}

}  // namespace

void add_segment(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "segment", "Masks for a video or a folder of frames, from the mask of the first one");
  add_input_options(*command, *options);
  add_output_options(*command, *options);
  command
      ->add_option("--size", options->size,
                   "Work at this shorter side (pixels) where frames are larger; raw: never reduce")
      ->capture_default_str();
  command
      ->add_option("--memory-budget", options->memory_budget,
                   "Memory for what was seen: 64MiB, 1GiB")
      ->capture_default_str();
  command
      ->add_option("--memory", options->network.memory,
                   "stm: every few frames are kept; fifo: the last ones")
      ->check(CLI::IsMember({"stm", "fifo"}))
      ->capture_default_str();
  command->add_option("--every", options->network.every, "stm: keep every so many frames")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  command
      ->add_option("--top-k", options->network.top_k,
                   "Memory positions that a pixel may look at; 0: all (default: the model's)")
      ->check(CLI::Range(0, 1'000'000));
  command->add_option("--device", options->network.device, "cpu, cuda or cuda:N")
      ->capture_default_str();
  command
      ->add_option("--precision", options->network.precision,
                   "f32; on a GPU also tf32, bf16 and f16")
      ->check(CLI::IsMember({"f32", "tf32", "bf16", "f16"}))
      ->capture_default_str();
  command->add_option("--threads", options->threads, "CPU threads (default: all cores)")
      ->check(CLI::Range(1, 256));
  command->add_option("--weights", options->weights, "Checkpoint (default: the one shipped)");
  command->callback([options] {
    options->network.shorter_side = parse_size(options->size);
    options->network.memory_budget = parse_bytes(options->memory_budget);
    SegmentRun run(*options);
    run();
  });
}
