// Times are found by the video's index, numbers by counting.
#include "apps/frame.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>

#include "apps/moment.h"
#include "data/video.h"
#include "tensor/error.h"

namespace {

using namespace munet;

struct Options {
  std::string video, at = "0", out;
  bool force = false;
};

void write_frame(const Options& options) {
  const Moment at = parse_moment("--at", options.at);
  std::error_code unknown;
  check<FileError>(options.force || !std::filesystem::exists(options.out, unknown),
                   "frame: expected a new file; ", options.out,
                   " is there already (--force replaces it)");
  VideoReader reader(options.video);
  VideoFrame frame;
  bool found = true;
  if (at.timed())
    reader.seek(at.seconds);
  else
    for (int64_t i = 0; i < at.frame && found; ++i) found = reader.next(frame, false);
  found = found && reader.next(frame);
  check<FileError>(found, "--at: expected a frame of ", options.video, ", which has about ",
                   reader.info().frames, " in ",
                   double(reader.info().frames) / reader.info().frames_per_second, " s; given ",
                   options.at);
  check<FileError>(!frame.image.rgb.empty(), "frame: ", options.video, ": the frame at ",
                   frame.seconds, " s is damaged (", frame.damage, "); take another one");
  write_png_rgb(options.out, frame.image);
  std::printf("%s: %dx%d, at %.3f s", options.out.c_str(), frame.image.width, frame.image.height,
              frame.seconds);
  if (frame.index >= 0) std::printf(", frame %lld", static_cast<long long>(frame.index));
  std::printf("%s\n", frame.damage.empty() ? "" : ", partly damaged");
}

}  // namespace

void add_frame(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "frame", "One frame of a video as a picture: munet frame v.mp4 --at 12.5s -o f.png");
  command->footer(
      "Examples:\n"
      "  munet frame walk.mp4 --at 12.5s -o f.png\n"
      "  munet frame walk.mp4 --at 300 -o f.png");
  command->add_option("VIDEO", options->video, "The video")->required();
  command->add_option("--at", options->at, "A time like 12.5s, or a number, counted from 0")
      ->capture_default_str();
  command->add_option("-o,--out", options->out, "The picture, a PNG")->required();
  command->add_flag("--force", options->force, "Replace the picture if it is there already");
  command->callback([options] { write_frame(*options); });
}
