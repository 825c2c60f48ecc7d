// Frames are read, processed and written one by one: memory does not grow with the video.
#include "apps/segment.h"

#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "apps/interrupt.h"
#include "apps/progress.h"
#include "apps/units.h"
#include "apps/weights.h"
#include "data/image.h"
#include "data/mask.h"
#include "data/sequence.h"
#include "munet/segmenter.h"
#include "tensor/error.h"
#include "tensor/parallel.h"

namespace {

using namespace munet;
namespace fs = std::filesystem;

struct Options {
  std::string folder, mask, out, masks, weights;
  std::string size = "480", memory_budget = "1GiB", memory = "stm";
  int every = 5, top_k = -1, threads = 0;
};

int parse_size(const std::string& text) {
  if (text == "raw") return 0;
  int size = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
  check(error == std::errc() && end == text.data() + text.size() && size >= 32 && size <= kMaxSide,
        "--size: expected raw or the shorter side in pixels, 32 or more; given \"", text, "\"");
  return size;
}

// The masks for later frames, by the stem of the frame they belong to. FileError if one belongs to
// none: it would be left out without a word.
std::map<std::string, fs::path> later_masks(const std::string& folder, const FrameFolder& frames) {
  std::map<std::string, fs::path> masks;
  if (folder.empty()) return masks;
  for (const fs::path& path : list_frames(folder).frames) masks[path.stem().string()] = path;
  std::map<std::string, fs::path> named = masks;
  for (const fs::path& frame : frames.frames) named.erase(frame.stem().string());
  check<FileError>(named.empty(), "--masks: expected masks named like the frames; found ",
                   named.empty() ? "" : named.begin()->second.string(), ", and no such frame");
  return masks;
}

Mask read_checked_mask(const fs::path& path, const fs::path& frame_path, const Image& frame) {
  const Mask mask = read_mask(path);
  check<FileError>(mask.width == frame.width && mask.height == frame.height,
                   "segment: ", path.string(), ": expected a mask of the frame's size; it is ",
                   mask.width, "x", mask.height, ", ", frame_path.string(), " is ", frame.width,
                   "x", frame.height);
  check<FileError>(!ids_in(mask).empty(), "segment: ", path.string(),
                   ": expected at least one object; found only background");
  return mask;
}

void make_folder(const fs::path& out, const Options& options) {
  std::error_code error;
  fs::create_directories(out, error);
  check<FileError>(!error, "segment: cannot make the folder ", out.string(), ": ", error.message());
  // Frame a.png becomes mask a.png: never in the same folder.
  for (const std::string& input : {options.folder, options.masks})
    check<FileError>(input.empty() || !fs::equivalent(out, input, error), "segment: expected an ",
                     "output folder of its own; ", out.string(), " holds the input");
}

// Loads the model when the first frame and its mask are known to be good.
class Run {
 public:
  explicit Run(const Options& options) : options_(options) {
    segmenter_options_.shorter_side = parse_size(options.size);
    segmenter_options_.memory_budget = parse_bytes(options.memory_budget);
    segmenter_options_.memory = options.memory;
    segmenter_options_.every = options.every;
    segmenter_options_.top_k = options.top_k;
    if (options.threads != 0) set_num_threads(options.threads);
  }

  void operator()() {
    const FrameFolder input = list_frames(options_.folder);
    if (!input.ignored.empty())
      std::fprintf(stderr,
                   "munet: note: %zu files of %s are not pictures and are left out (%s%s)\n",
                   input.ignored.size(), options_.folder.c_str(), input.ignored[0].c_str(),
                   input.ignored.size() > 1 ? ", ..." : "");
    masks_ = later_masks(options_.masks, input);
    masks_[input.frames[0].stem().string()] = options_.mask;
    make_folder(options_.out, options_);
    catch_interrupts();
    Progress progress(int64_t(input.frames.size()));
    for (const fs::path& path : input.frames) {
      stop_if_interrupted();
      write_mask(fs::path(options_.out) / (path.stem().string() + ".png"), step(path));
      progress.finished(path.filename().string());
    }
    report(input.frames.size(), progress.seconds());
  }

 private:
  // The mask of the next frame.
  Mask step(const fs::path& path) {
    const Image frame = read_image(path);
    if (width_ == 0) width_ = frame.width, height_ = frame.height;
    check<FileError>(frame.width == width_ && frame.height == height_, "segment: ", path.string(),
                     ": expected ", width_, "x", height_, " as in the frames before; it is ",
                     frame.width, "x", frame.height);
    std::optional<Mask> given;
    if (const auto mask = masks_.find(path.stem().string()); mask != masks_.end())
      given = read_checked_mask(mask->second, path, frame);
    const bool first = !segmenter_;
    if (first)
      segmenter_ = std::make_unique<Segmenter>(find_weights(options_.weights), segmenter_options_);
    const FrameView view{frame.rgb.data(), frame.width, frame.height, 0};
    MaskView mask_view;
    if (given) mask_view = {given->ids.data(), given->width, given->height, 0};
    segmenter_->step(view, given ? &mask_view : nullptr);
    if (first) {
      palette_ = given->palette;
      return *given;  // goes out as it came
    }
    return {frame.width, frame.height, segmenter_->labels(), palette_};
  }

  void report(std::size_t frames, double seconds) const {
    rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    std::printf("%zu masks in %s, %zu objects, %.2f s/frame, peak memory %s\n", frames,
                options_.out.c_str(), segmenter_->objects().size(), seconds / double(frames),
                format_bytes(double(usage.ru_maxrss) * 1024).c_str());
  }

  const Options options_;
  SegmenterOptions segmenter_options_;
  std::map<std::string, fs::path> masks_;  // by the stem of the frame
  std::unique_ptr<Segmenter> segmenter_;
  std::vector<uint8_t> palette_;
  int width_ = 0, height_ = 0;
};

}  // namespace

void add_segment(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("segment", "Masks for a folder of frames, from the mask of the first one");
  command
      ->add_option("FOLDER", options->folder,
                   "Frames: JPEG, PNG, BMP, PNM or TGA, in natural order")
      ->required();
  command
      ->add_option("--mask", options->mask, "Mask of the first frame: palette or grey PNG of ids")
      ->required();
  command->add_option("-o,--out", options->out, "Folder for the masks, one palette PNG per frame")
      ->required();
  command->add_option("--masks", options->masks,
                      "Folder of further masks, given at the frames whose names they have");
  command
      ->add_option("--size", options->size,
                   "Work at this shorter side (pixels) where frames are larger; raw: never reduce")
      ->capture_default_str();
  command
      ->add_option("--memory-budget", options->memory_budget,
                   "Memory for what was seen: 64MiB, 1GiB")
      ->capture_default_str();
  command
      ->add_option("--memory", options->memory,
                   "stm: every few frames are kept; fifo: the last ones")
      ->check(CLI::IsMember({"stm", "fifo"}))
      ->capture_default_str();
  command->add_option("--every", options->every, "stm: keep every so many frames")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  command
      ->add_option("--top-k", options->top_k,
                   "Memory positions that a pixel may look at; 0: all (default: the model's)")
      ->check(CLI::Range(0, 1'000'000));
  command->add_option("--threads", options->threads, "CPU threads (default: all cores)")
      ->check(CLI::Range(1, 256));
  command->add_option("--weights", options->weights, "Checkpoint (default: the one shipped)");
  command->callback([options] {
    Run run(*options);
    run();
  });
}
