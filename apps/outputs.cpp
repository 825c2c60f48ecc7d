// Runs on the writing thread, but for the constructor, finish() and grey_bytes().
#include "apps/outputs.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <nlohmann/json.hpp>

#include "data/file.h"
#include "data/overlay.h"
#include "data/png.h"
#include "data/rle.h"
#include "tensor/error.h"

namespace {

using namespace munet;
namespace fs = std::filesystem;

constexpr std::size_t kToCheck = 5;  // frames

bool is_mp4(const std::string& path) { return fs::path(path).extension() == ".mp4"; }

void make_folder(const fs::path& out, const std::vector<std::string>& inputs, bool replace) {
  std::error_code error;
  fs::create_directories(out, error);
  check<FileError>(!error, "segment: cannot make the folder ", out.string(), ": ", error.message());
  // Frame a.png becomes mask a.png: never in the same folder.
  for (const std::string& input : inputs)
    check<FileError>(input.empty() || !fs::equivalent(out, input, error), "segment: expected an ",
                     "output folder of its own; ", out.string(), " holds the input");
  const bool empty = fs::directory_iterator(out, error) == fs::directory_iterator();
  check<FileError>(empty || replace, "segment: expected an empty output folder; ", out.string(),
                   " holds files (--force replaces those of the same names, --resume goes on with "
                   "an interrupted run)");
}

void check_file(const fs::path& out, const std::vector<std::string>& inputs, bool replace) {
  std::error_code unknown;
  for (const std::string& input : inputs)
    check<FileError>(input.empty() || !fs::equivalent(out, input, unknown),
                     "segment: expected an output file of its own; ", out.string(),
                     " is the input");
  check<FileError>(!fs::exists(out, unknown) || replace, "segment: expected a new file; ",
                   out.string(), " is there already (--force replaces it)");
}

void write_png(const fs::path& path, const Mask& mask, const std::vector<uint8_t>& pixels,
               PngKind kind) {
  write_file("write_png", path, encode_png(mask.width, mask.height, pixels, kind));
}

}  // namespace

Outputs::Outputs(OutputPaths paths, const std::vector<std::string>& inputs, bool replace,
                 double frames_per_second)
    : paths_(std::move(paths)), frames_per_second_(frames_per_second) {
  for (const std::string& file : {paths_.overlay, paths_.rle, paths_.trust})
    if (!file.empty()) check_file(file, inputs, replace);
  if (is_mp4(paths_.cutout)) check_file(paths_.cutout, inputs, replace);
  if (!paths_.masks.empty()) make_folder(paths_.masks, inputs, replace);
  if (!paths_.soft.empty()) make_folder(paths_.soft, inputs, replace);
  if (!paths_.cutout.empty() && !is_mp4(paths_.cutout)) make_folder(paths_.cutout, inputs, replace);
  if (!paths_.rle.empty()) {
    rle_file_.reset(std::fopen((paths_.rle + ".part").c_str(), "wb"));
    check<FileError>(rle_file_ != nullptr, "write_rle: cannot write ", paths_.rle, ": ",
                     std::strerror(errno));
  }
}

Outputs::~Outputs() {
  if (rle_file_) std::remove((paths_.rle + ".part").c_str());
}

void Outputs::write_masks(const Finished& finished) {
  const std::string file = finished.frame.name + ".png";
  for (const auto& [id, pixels] : finished.soft) {
    const fs::path folder = fs::path(paths_.soft) / std::to_string(id);
    std::error_code error;
    fs::create_directories(folder, error);  // an error shows when the file is written
    write_png(folder / file, finished.mask, pixels,
              paths_.soft_bits == 16 ? PngKind::grey16 : PngKind::grey8);
  }
  if (!paths_.masks.empty()) write_mask(fs::path(paths_.masks) / file, finished.mask);
  if (!paths_.trust.empty()) keep_trust(finished);
  if (!paths_.raw) return;
  const std::vector<uint8_t>& ids = finished.mask.ids;
  const bool written = std::fwrite(ids.data(), 1, ids.size(), stdout) == ids.size();
  check<FileError>(written && std::fflush(stdout) == 0,
                   "segment: cannot write to stdout: ", std::strerror(errno));
}

void Outputs::write(const Finished& finished) {
  if (!finished.on_disk) write_masks(finished);
  if (!paths_.rle.empty()) write_rle(finished);
  if (finished.on_disk && !paths_.trust.empty()) keep_trust(finished);
  if (!needs_pictures()) return;
  const Image& image = finished.frame.image.rgb.empty() ? last_image_ : finished.frame.image;
  if (!start_) start_ = finished.frame.seconds;
  if (!paths_.overlay.empty())
    write_video(overlay_, paths_.overlay, overlay(image, finished.mask), finished.frame.seconds);
  if (!paths_.cutout.empty()) write_cutout(finished, image);
  if (!finished.frame.image.rgb.empty()) last_image_ = finished.frame.image;
}

void Outputs::write_video(std::optional<VideoWriter>& writer, const std::string& path,
                          const Image& image, double seconds) {
  if (!writer) writer.emplace(path, image.width, image.height, frames_per_second_);
  writer->write(image, seconds - *start_);
}

void Outputs::write_cutout(const Finished& finished, const Image& image) {
  if (!is_mp4(paths_.cutout))
    return write_png(fs::path(paths_.cutout) / (finished.frame.name + ".png"), finished.mask,
                     cut_out(image, finished.mask), PngKind::rgba);
  Image green = image;
  for (std::size_t i = 0; i < finished.mask.ids.size(); ++i)
    if (finished.mask.ids[i] == 0)
      green.rgb[3 * i] = 0, green.rgb[3 * i + 1] = 177, green.rgb[3 * i + 2] = 64;
  write_video(green_, paths_.cutout, green, finished.frame.seconds);
}

// {"size": [height, width], "frames": [{"name", "index", "seconds", "objects": [{"id", "area",
// "bbox": [x, y, width, height], "segmentation": {"size", "counts"}}]}]}, a frame per line.
void Outputs::write_rle(const Finished& finished) {
  const std::vector<int> size = {finished.mask.height, finished.mask.width};
  nlohmann::ordered_json frame = {{"name", finished.frame.name},
                                  {"index", finished.frame.index},
                                  {"seconds", finished.frame.seconds},
                                  {"objects", nlohmann::json::array()}};
  for (const auto& [id, rle] : encode_rle(finished.mask))
    frame["objects"].push_back(nlohmann::ordered_json{
        {"id", id},
        {"area", rle.area},
        {"bbox", {rle.x, rle.y, rle.width, rle.height}},
        {"segmentation", {{"size", size}, {"counts", rle_text(rle.counts)}}}});
  // A name that is not UTF-8 cannot be in JSON: its bytes are replaced.
  const std::string line =
      frame.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  const std::string text =
      (rle_empty_ ? str("{\"size\": ", nlohmann::json(size).dump(), ", \"frames\": [\n") : ",\n") +
      line;
  rle_empty_ = false;
  const bool written = std::fwrite(text.data(), 1, text.size(), rle_file_.get()) == text.size();
  check<FileError>(written, "write_rle: cannot write ", paths_.rle, ": ", std::strerror(errno));
}

// What an interrupted run found of frames that are on the disk is in its file.
void Outputs::keep_trust(const Finished& finished) {
  std::vector<TrustRow>& rows = trust_[finished.frame.index];
  rows.insert(rows.end(), finished.trust.begin(), finished.trust.end());
  if (!finished.on_disk || !rows.empty()) return;
  if (trust_before_.empty()) trust_before_ = read_trust("segment", paths_.trust);
  std::copy_if(trust_before_.begin(), trust_before_.end(), std::back_inserter(rows),
               [&](const TrustRow& row) { return row.frame == finished.frame.name; });
}

void Outputs::write_trust() const {
  std::vector<TrustRow> rows;
  for (const auto& [index, of_frame] : trust_)
    rows.insert(rows.end(), of_frame.begin(), of_frame.end());
  const std::string csv = trust_csv(rows);
  write_file("segment", paths_.trust, {csv.begin(), csv.end()});
  std::string list;
  for (const FrameTrust& frame : check_first(rows, kToCheck)) {
    char text[32];
    std::snprintf(text, sizeof text, " (%.2f)", frame.trust);
    list += (list.empty() ? "" : ", ") + frame.frame + text;
  }
  if (!list.empty()) std::fprintf(stderr, "munet: note: frames to check first: %s\n", list.c_str());
}

void Outputs::finish() {
  if (overlay_) overlay_->finish();
  if (green_) green_->finish();
  if (!paths_.trust.empty()) write_trust();
  if (!rle_file_) return;
  const std::string part = paths_.rle + ".part";
  const std::string end = rle_empty_ ? "{\"frames\": []}\n" : "\n]}\n";
  const bool written = std::fwrite(end.data(), 1, end.size(), rle_file_.get()) == end.size();
  const bool closed = std::fclose(rle_file_.release()) == 0;
  const bool renamed = written && closed && std::rename(part.c_str(), paths_.rle.c_str()) == 0;
  const int reason = errno;
  if (!renamed) std::remove(part.c_str());
  check<FileError>(renamed, "write_rle: cannot write ", paths_.rle, ": ", std::strerror(reason));
}

std::vector<uint8_t> grey_bytes(const std::vector<float>& probability, int bits) {
  std::vector<uint8_t> bytes;
  bytes.reserve(probability.size() * std::size_t(bits / 8));
  const float white = bits == 16 ? 65535 : 255;
  for (const float p : probability) {
    const int grey = int(std::lround(std::clamp(p, 0.0f, 1.0f) * white));
    if (bits == 16) bytes.push_back(uint8_t(grey >> 8));
    bytes.push_back(uint8_t(grey));
  }
  return bytes;
}
