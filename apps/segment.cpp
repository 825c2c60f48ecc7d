// Options only; the work is in segment_run.h.
#include "apps/segment.h"

#include <CLI/CLI.hpp>
#include <charconv>
#include <memory>
#include <string>

#include "apps/segment_dataset.h"
#include "apps/segment_run.h"
#include "data/image.h"
#include "tensor/error.h"

namespace {

using namespace munet;

struct Options : SegmentOptions {
  std::string preset, stdin_size;
  DataSetOptions data;
};

// "854x480".
void parse_stdin_size(Options& options) {
  const std::string& text = options.stdin_size;
  int* const sides[] = {&options.stdin_width, &options.stdin_height};
  const char *at = text.data(), *end = at + text.size();
  bool good = true;
  for (int* side : sides) {
    const auto [stop, error] = std::from_chars(at, end, *side);
    const bool last = side == sides[1];
    good = good && error == std::errc() && *side >= 1 && *side <= kMaxSide &&
           (last ? stop == end : stop != end && *stop == 'x');
    at = last || !good ? stop : stop + 1;
  }
  check(good, "--stdin: expected WIDTHxHEIGHT like 854x480; given \"", text, "\"");
}

// What is not given otherwise.
void apply_preset(const CLI::App& command, Options& options) {
  const auto set = [&](const char* option, auto& value, auto preset) {
    if (command.count(option) == 0) value = preset;
  };
  if (options.preset == "fast") {
    set("--size", options.size, "240");
    set("--every", options.network.every, 10);
  } else if (options.preset == "accurate") {
    set("--size", options.size, "raw");
  }
}

// Which options need which kind of input.
void check_together(const CLI::App& command, const Options& options) {
  const bool live = !options.stdin_size.empty(), data = !options.data.tree.empty();
  check(live || data || !options.input.empty(), "INPUT is required");
  check(data || !options.mask.empty(), "--mask is required: the objects in the first frame; ",
        "munet mask makes one");
  check(live || !options.out.masks.empty(), "--out is required: a folder for the masks");
  const auto reject = [&](const char* kind, std::initializer_list<const char*> names) {
    for (const char* name : names)
      check(command.count(name) == 0, name, ": expected one video or folder; given ", kind);
  };
  if (live)
    reject("--stdin", {"INPUT", "--dataset", "--range", "--from", "--resume", "--estimate"});
  if (data)
    reject("--dataset",
           {"INPUT", "--mask", "--masks", "--range", "--from", "--objects", "--overlay", "--cutout",
            "--soft", "--rle", "--trust", "--fps", "--estimate"});
  for (const char* name : {"--set", "--all-frames", "--zip"})
    check(data || command.count(name) == 0, name, ": expected --dataset beside it");
}

void add_data_set_options(CLI::App& command, DataSetOptions& data) {
  command.option_defaults()->group("A whole data set");
  command.add_option("--dataset", data.tree,
                     "Instead of INPUT: every sequence of DAVIS, YouTube-VOS or a tree like them, "
                     "JPEGImages/SEQUENCE and Annotations/SEQUENCE, into OUT/SEQUENCE; each object "
                     "from its first mask on");
  command.add_option("--set", data.set,
                     "DAVIS: the list, val or 2016/val (default: val); YouTube-VOS: the folder, "
                     "like valid");
  command.add_flag("--all-frames", data.all_frames,
                   "YouTube-VOS: follow the objects through all frames, of TREE_all_frames; masks "
                   "are written for those that meta.json asks for, as ever");
  command.add_option("--zip", data.zip, "An archive of the masks, laid out for the server");
}

void add_input_options(CLI::App& command, Options& options) {
  command.option_defaults()->group("Input");
  command.add_option("INPUT", options.input,
                     "A video, or a folder of frames (JPEG, PNG, BMP, PNM or TGA, natural order)");
  command.add_option("--stdin", options.stdin_size,
                     "WIDTHxHEIGHT: raw RGB frames on stdin instead of INPUT, ids to stdout, a "
                     "byte per pixel, frame by frame");
  command.add_option(
      "--mask", options.mask,
      "Mask of the first frame (or --from): palette or grey PNG of ids, or flat colours");
  command.add_option("--masks", options.masks,
                     "Folder of further masks, given at the frames whose names (in a video: "
                     "numbers, from 0) they have");
  command.add_option("--range", options.range,
                     "Only these frames, FIRST:END, counted from 0, without END; in a video also "
                     "times: 12.5s:20s");
  command.add_option("--from", options.from,
                     "The mask is that of this frame (a number, or in a video a time: 12.5s): "
                     "objects are followed from it forwards and backwards");
  command
      .add_option("--fps", options.frames_per_second,
                  "Frames per second of what has no times: folders, stdin (default: 25)")
      ->check(CLI::Range(0.1, 240.0));
  command.add_option("--objects", options.objects, "Only these ids of the masks, like 1,3");
}

void add_output_options(CLI::App& command, Options& options) {
  command.option_defaults()->group("Output");
  command.add_option("-o,--out", options.out.masks,
                     "Folder for the masks, one palette PNG per frame");
  command.add_option("--overlay", options.out.overlay, "MP4 of the frames under their masks");
  command.add_option("--cutout", options.out.cutout,
                     "The objects alone: a folder for PNGs with alpha, or an MP4 before green");
  command.add_option("--soft", options.out.soft,
                     "Folder for soft masks, ID/NAME.png, white where the object surely is");
  command.add_option("--soft-bits", options.out.soft_bits, "Grey levels of the soft masks")
      ->check(CLI::IsMember({8, 16}))
      ->capture_default_str();
  command.add_option("--rle", options.out.rle, "JSON of COCO's run-length encoded masks");
  command.add_option("--trust", options.out.trust,
                     "CSV of how far each mask can be trusted, 0 to 1; prints frames to check");
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
      "segment", "Masks for a video, a folder of frames or a data set, from the mask of the first");
  command->footer(
      "Examples:\n"
      "  munet segment walk.mp4 --mask first.png -o masks --overlay film.mp4\n"
      "  munet segment walk.mp4 --from 12.5s --mask m.png -o masks    forwards and backwards\n"
      "  munet segment frames --mask first.png -o masks --preset fast\n"
      "  munet segment --dataset DAVIS --set val -o results --zip results.zip\n"
      "  ffmpeg -i /dev/video0 -f rawvideo -pix_fmt rgb24 -s 640x480 - |\n"
      "    munet segment --stdin 640x480 --mask first.png > ids.raw");
  add_input_options(*command, *options);
  add_data_set_options(*command, options->data);
  add_output_options(*command, *options);
  command->option_defaults()->group("How");
  command
      ->add_option("--preset", options->preset,
                   "fast: --size 240 --every 10, of 480p 17 frames/s for 3.6 and J&F 70 for 65; "
                   "accurate: --size raw, the same up to 480p; other options come first")
      ->check(CLI::IsMember({"fast", "accurate"}));
  add_network_options(*command, *options);
  command->add_option("--threads", options->threads, "CPU threads (default: all cores)")
      ->check(CLI::Range(1, 256));
  command->add_option("--weights", options->weights, "Checkpoint (default: the one shipped)");
  command->callback([command, options] {
    check_together(*command, *options);
    apply_preset(*command, *options);
    if (!options->stdin_size.empty()) parse_stdin_size(*options);
    options->out.raw = options->stdin_width > 0;
    options->settle();
    if (!options->data.tree.empty()) return segment_data_set(*options, options->data);
    SegmentRun run(*options);
    run();
  });
}
