// Films frame by frame; pictures one by one or a dozen on a sheet.
#include "apps/overlay.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "apps/frames.h"
#include "apps/interrupt.h"
#include "apps/progress.h"
#include "data/flow.h"
#include "data/mask.h"
#include "data/overlay.h"
#include "data/sequence.h"
#include "data/video.h"
#include "tensor/error.h"

namespace {

using namespace munet;
namespace fs = std::filesystem;

constexpr int kSheetColumns = 4, kSheetRows = 3, kTileWidth = 320;

struct Options {
  std::string frames, masks, out, range;
  double opacity = 0.5, frames_per_second = 0;
  bool force = false;
};

OverlayStyle style_of(const Options& options) {
  OverlayStyle style;
  style.opacity = options.opacity;
  return style;
}

Mask read_fitting_mask(const fs::path& path, const Image& image, const std::string& frame) {
  Mask mask = read_mask(path);
  check<FileError>(mask.width == image.width && mask.height == image.height,
                   "overlay: ", path.string(), ": expected a mask of the frame's size; it is ",
                   mask.width, "x", mask.height, ", ", frame, " is ", image.width, "x",
                   image.height);
  return mask;
}

// Tiles side by side, row after row, with white where there are none.
class Sheet {
 public:
  void add(const Image& image) {
    if (sheet_.width == 0) {
      width_ = std::min(kTileWidth, image.width);
      height_ = std::max(1, int(std::lround(double(image.height) * width_ / image.width)));
      sheet_ = {width_ * kSheetColumns, height_ * kSheetRows, {}};
      sheet_.rgb.assign(std::size_t(sheet_.width) * std::size_t(sheet_.height) * 3, 255);
    }
    const Image tile = reduced(image, width_, height_);
    const int left = count_ % kSheetColumns * width_, top = count_ / kSheetColumns * height_;
    for (int y = 0; y < height_; ++y)
      std::copy_n(tile.rgb.begin() + std::ptrdiff_t(y) * width_ * 3, width_ * 3,
                  sheet_.rgb.begin() + (std::ptrdiff_t(top + y) * sheet_.width + left) * 3);
    ++count_;
  }
  // Without rows and columns that hold nothing.
  Image finished() const {
    const int columns = std::min(count_, kSheetColumns);
    const int rows = (count_ + kSheetColumns - 1) / kSheetColumns;
    Image out{columns * width_, rows * height_, {}};
    for (int y = 0; y < out.height; ++y) {
      const auto row = sheet_.rgb.begin() + std::ptrdiff_t(y) * sheet_.width * 3;
      out.rgb.insert(out.rgb.end(), row, row + out.width * 3);
    }
    return out;
  }

 private:
  Image sheet_;
  int width_ = 0, height_ = 0, count_ = 0;
};

void overlay_picture(const Options& options) {
  const Image image = read_image(options.frames);
  write_png_rgb(options.out, overlay(image, read_fitting_mask(options.masks, image, options.frames),
                                     style_of(options)));
  std::printf("%s: %dx%d\n", options.out.c_str(), image.width, image.height);
}

// Masks by the index of their frame.
std::map<int64_t, fs::path> find_masks(const Options& options, const FrameSource& source) {
  std::map<int64_t, fs::path> masks;
  for (const fs::path& path : list_frames(options.masks).frames) try {
      masks[source.find(path.stem().string(), "")] = path;
    } catch (const FileError&) {  // of a frame that is not asked for
    }
  check<FileError>(!masks.empty(), "overlay: expected masks in ", options.masks,
                   " named like the frames of ", options.frames,
                   source.video ? " (00000.png, 00001.png, ...)" : "", "; found none");
  return masks;
}

// For a sheet: which frames are on it, a dozen of those with a mask, the first and the last of them
// too.
std::vector<int64_t> chosen(const std::map<int64_t, fs::path>& masks) {
  std::vector<int64_t> all, some;
  for (const auto& [index, path] : masks) all.push_back(index);
  const std::size_t tiles = std::min<std::size_t>(all.size(), kSheetColumns * kSheetRows);
  for (std::size_t i = 0; i < tiles; ++i)
    some.push_back(all[tiles == 1 ? 0 : i * (all.size() - 1) / (tiles - 1)]);
  return some;
}

void overlay_frames(const Options& options, bool film) {
  const std::unique_ptr<FrameSource> source =
      open_frames(options.frames, parse_range(options.range));
  const std::map<int64_t, fs::path> masks = find_masks(options, *source);
  const std::vector<int64_t> tiles = film ? std::vector<int64_t>{} : chosen(masks);
  const double rate =
      options.frames_per_second > 0 ? options.frames_per_second : source->frames_per_second;
  std::optional<VideoWriter> writer;
  Sheet sheet;
  Image last;  // stands in for frames that could not be decoded
  catch_interrupts();
  Progress progress(film ? source->count : int64_t(tiles.size()));
  int64_t frames = 0;
  double start = 0;
  for (SourceFrame frame; film || frames == 0 || frame.index < tiles.back(); ++frames) {
    stop_if_interrupted();
    if (!source->next(frame)) break;
    if (frame.image.rgb.empty()) frame.image = last;
    if (frames == 0) start = frame.seconds;
    const auto mask = masks.find(frame.index);
    const bool wanted = film || std::binary_search(tiles.begin(), tiles.end(), frame.index);
    if (wanted && mask != masks.end() && !frame.image.rgb.empty())
      frame.image = overlay(frame.image, read_fitting_mask(mask->second, frame.image, frame.label),
                            style_of(options));
    if (wanted) progress.finished(frame.name);
    last = frame.image;
    if (!wanted || frame.image.rgb.empty()) continue;
    if (!film) {
      sheet.add(frame.image);
      continue;
    }
    if (!writer) writer.emplace(options.out, frame.image.width, frame.image.height, rate);
    const double seconds = source->video && options.frames_per_second <= 0 ? frame.seconds - start
                                                                           : double(frames) / rate;
    writer->write(frame.image, seconds);
  }
  if (film && writer) writer->finish();
  if (!film) write_png_rgb(options.out, sheet.finished());
  std::printf("%s: %lld frames, %zu of them with a mask\n", options.out.c_str(),
              static_cast<long long>(film ? frames : int64_t(tiles.size())),
              film ? masks.size() : tiles.size());
}

void run(const Options& options) {
  const std::string kind = fs::path(options.out).extension().string();
  check(kind == ".mp4" || kind == ".png", "overlay: expected -o NAME.mp4 or NAME.png; given ",
        options.out);
  std::error_code unknown;
  check<FileError>(options.force || !fs::exists(options.out, unknown),
                   "overlay: expected a new file; ", options.out,
                   " is there already (--force replaces it)");
  for (const std::string& input : {options.frames, options.masks})
    check<FileError>(!fs::equivalent(options.out, input, unknown),
                     "overlay: expected an output file of its own; ", options.out, " is the input");
  if (fs::is_regular_file(options.masks, unknown)) {
    check(kind == ".png", "overlay: expected -o NAME.png for one picture and its mask; given ",
          options.out);
    return overlay_picture(options);
  }
  overlay_frames(options, kind == ".mp4");
}

}  // namespace

void add_overlay(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "overlay", "Masks over their frames: munet overlay v.mp4 masks -o overlay.mp4");
  command->footer(
      "Examples:\n"
      "  munet overlay walk.mp4 masks -o film.mp4\n"
      "  munet overlay walk.mp4 masks -o sheet.png       a dozen frames on one picture\n"
      "  munet overlay f.png first.png -o look.png");
  command->add_option("FRAMES", options->frames, "A video, a folder of pictures, or one picture")
      ->required();
  command
      ->add_option("MASKS", options->masks,
                   "Folder of masks named like the frames (in a video: numbers, from 0), or one")
      ->required();
  command
      ->add_option("-o,--out", options->out,
                   "MP4: a film. PNG: the picture, or a sheet of a dozen frames")
      ->required();
  command->add_option("--opacity", options->opacity, "Of the colours, 0 to 1")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  command
      ->add_option("--fps", options->frames_per_second,
                   "Frames per second of the film (default: the video's own; folders: 25)")
      ->check(CLI::Range(0.1, 240.0));
  command->add_option("--range", options->range, "Only these frames, FIRST:END, as in segment");
  command->add_flag("--force", options->force, "Replace what is there already");
  command->callback([options] { run(*options); });
}
