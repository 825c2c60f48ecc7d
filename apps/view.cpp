// One file per map. All are computed before the first one is written.
#include "apps/view.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "apps/frame_view.h"
#include "apps/maps.h"
#include "apps/units.h"
#include "apps/weights.h"
#include "data/file.h"
#include "data/mask.h"
#include "data/png.h"
#include "tensor/error.h"
#include "tensor/parallel.h"

namespace {

using namespace munet;
namespace fs = std::filesystem;

constexpr uint8_t kYellow[3] = {255, 220, 0};

struct Options {
  std::string before, frame, out, mask, pixel, weights, size = "480";
  double full = 0;
  int threads = 0;
  bool force = false;
};

std::pair<int, int> parse_pixel(const std::string& text) {
  int x = 0, y = 0;
  const char* end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), end, x);
  const bool comma = first.ec == std::errc() && first.ptr != end && *first.ptr == ',';
  const auto second = comma ? std::from_chars(first.ptr + 1, end, y) : first;
  check(comma && second.ec == std::errc() && second.ptr == end,
        "--pixel: expected X,Y in pixels from the upper left corner, like 320,180; given \"", text,
        "\"");
  return {x, y};
}

// Files by name, written together at the end.
class Pictures {
 public:
  void add(const std::string& name, const Image& image) {
    files_.emplace_back(name, encode_png(image.width, image.height, image.rgb));
  }
  void add(const std::string& name, std::vector<uint8_t> bytes) {
    files_.emplace_back(name, std::move(bytes));
  }
  void write(const fs::path& folder) const {
    std::error_code error;
    fs::create_directories(folder, error);
    check<FileError>(!error, "view: cannot make the folder ", folder.string(), ": ",
                     error.message());
    for (const auto& [name, bytes] : files_) write_file("view", folder / name, bytes);
  }
  std::size_t count() const { return files_.size(); }

 private:
  std::vector<std::pair<std::string, std::vector<uint8_t>>> files_;
};

void add_motion(Pictures& pictures, const PairMaps& maps, const Image& frame, double full) {
  const Flow flow = flow_of(maps.displacement);
  if (full <= 0) full = full_displacement(flow);
  double length = 0, doubt = 0;
  for (std::size_t i = 0; i < flow.xy.size(); i += 2)
    length += std::hypot(flow.xy[i], flow.xy[i + 1]) / double(flow.xy.size() / 2);
  const ScalarMap uncertainty = uncertainty_of(maps.confidence);
  for (const float value : uncertainty.values) doubt += value / double(uncertainty.values.size());
  pictures.add("displacement.png", color_wheel(flow, full));
  pictures.add("wheel.png", color_wheel_legend(160));
  pictures.add("displacement.flo", encode_flo(flow));
  pictures.add("displacement-kitti.png", encode_kitti_flow(flow));
  pictures.add("uncertainty.png", heat_over(frame, uncertainty, 0, kUncertainty));
  std::printf(
      "displacement: %.1f pixels in the mean; the wheel's rim is %.0f\n"
      "uncertainty (1 - U): %.3f in the mean, shown from 0 to %.2f\n",
      length, full, doubt, kUncertainty);
}

void view(const Options& options) {
  if (options.threads > 0) set_num_threads(options.threads);
  std::error_code unknown;
  check<FileError>(
      options.force || !fs::exists(options.out, unknown) || fs::is_empty(options.out, unknown),
      "view: expected an empty output folder; ", options.out,
      " holds files (--force replaces those of the same names)");
  const Image before = read_image(options.before), frame = read_image(options.frame);
  check<FileError>(before.width == frame.width && before.height == frame.height,
                   "view: ", options.frame, ": expected ", before.width, "x", before.height,
                   " as in the frame before; it is ", frame.width, "x", frame.height);
  Mask mask;
  if (!options.mask.empty()) {
    mask = read_mask(options.mask);
    check<FileError>(mask.width == frame.width && mask.height == frame.height,
                     "view: ", options.mask, ": expected a mask of the frame's size; it is ",
                     mask.width, "x", mask.height, ", ", options.before, " is ", frame.width, "x",
                     frame.height);
    check(!options.pixel.empty(),
          "--mask: expected --pixel, whose attention over the mask's frame "
          "is shown; given none");
  }
  int x = 0, y = 0;
  if (!options.pixel.empty()) {
    std::tie(x, y) = parse_pixel(options.pixel);
    check(x >= 0 && y >= 0 && x < frame.width && y < frame.height,
          "--pixel: expected one of the frame, ", frame.width, "x", frame.height, "; given ",
          options.pixel);
  }
  Inspector inspector(find_weights(options.weights), parse_size(options.size));
  const PairMaps maps = inspector.look(view_of(before), view_of(frame));
  Pictures pictures;
  if (inspector.has_motion()) add_motion(pictures, maps, frame, options.full);
  if (!maps.attention.empty()) {
    const ScalarMap attention = scalar_map(maps.attention);
    const double low = quantile(attention, 0), high = quantile(attention, 1);
    pictures.add("attention.png", grey_map(attention, low, std::max(high, low + 1e-6)));
    std::printf("attention: %.3f (black) to %.3f (white)\n", low, high);
  }
  const ScalarMap energy = scalar_map(maps.energy);
  pictures.add("energy.png", heat_over(frame, energy, 0, quantile(energy, 0.995)));
  if (!options.pixel.empty()) {
    Image marked = frame;
    mark_pixel(marked, x, y, kYellow);
    pictures.add("pixel.png", marked);
    if (inspector.has_motion()) {
      const SearchWindow window = inspector.window(x, y);
      pictures.add("window.png", window_picture(before, window));
      pictures.add("cost.png", cost_picture(window, 16));
    }
    if (!options.mask.empty())
      for (const Inspector::Attention& object :
           inspector.attention({mask.ids.data(), mask.width, mask.height, 0}, x, y)) {
        const ScalarMap weight = scalar_map(object.weight);
        pictures.add("memory-" + std::to_string(object.id) + ".png",
                     heat_over(before, weight, 0, quantile(weight, 0.998)));
      }
  }
  pictures.write(options.out);
  std::printf("%zu files in %s\n", pictures.count(), options.out.c_str());
}

}  // namespace

void add_view(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "view", "What the network sees between two frames: motion, uncertainty, attention, costs");
  command->footer(
      "Example:\n"
      "  munet view 00010.jpg 00011.jpg --pixel 320,180 --mask 00010.png -o maps");
  command->add_option("BEFORE", options->before, "The frame before: a picture")->required();
  command->add_option("FRAME", options->frame, "The frame: a picture of the same size")->required();
  command
      ->add_option("-o,--out", options->out,
                   "Folder: displacement.png (colour wheel), .flo and -kitti.png (where each pixel "
                   "was before), uncertainty.png (1 - U, heat), attention.png, energy.png")
      ->required();
  command->add_option("--pixel", options->pixel,
                      "X,Y: also its search window in the frame before and the matching cost there "
                      "(pixel.png, window.png, cost.png)");
  command->add_option("--mask", options->mask,
                      "Mask of the frame before: also where the pixel looks when the memory holds "
                      "it (memory-ID.png)");
  command
      ->add_option("--full", options->full,
                   "Displacement in pixels at the wheel's rim (default: 99 of 100 are shorter)")
      ->check(CLI::PositiveNumber);
  command
      ->add_option("--size", options->size,
                   "Work at this shorter side (pixels) where frames are larger; raw: never reduce")
      ->capture_default_str();
  command->add_option("--threads", options->threads, "CPU threads (default: all cores)")
      ->check(CLI::Range(1, 256));
  command->add_option("--weights", options->weights, "Checkpoint (default: the one shipped)");
  command->add_flag("--force", options->force, "Replace what is there already");
  command->callback([options] { view(*options); });
}
