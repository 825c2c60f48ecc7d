// Everything that `munet segment` writes for each frame: masks, and what is asked for besides.
#pragma once

#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "apps/frames.h"
#include "apps/trust_file.h"
#include "data/mask.h"
#include "data/video.h"

struct OutputPaths {
  std::string masks;    // folder: one palette PNG per frame; empty: none
  std::string overlay;  // MP4
  std::string cutout;   // folder of RGBA PNGs, or MP4 before green
  std::string soft;     // folder: ID/NAME.png
  std::string rle;      // JSON, COCO's run lengths
  std::string trust;    // CSV, how far each mask can be trusted
  int soft_bits = 8;    // 8 or 16
  bool raw = false;     // ids to stdout, a byte per pixel, frame by frame
};

struct Finished {
  SourceFrame frame;
  munet::Mask mask;
  std::vector<std::pair<int, std::vector<uint8_t>>> soft;  // by id: grey8 or grey16 pixels
  std::vector<TrustRow> trust;
  bool on_disk = false;  // mask and soft masks were written by the run that this one continues

  std::size_t bytes() const {
    std::size_t sum = frame.bytes() + mask.ids.size();
    for (const auto& [id, pixels] : soft) sum += pixels.size();
    return sum;
  }
};

class Outputs {
 public:
  // Makes the folders. FileError if one is an input's, if something to be written is there already
  // (unless `replace`), or if it cannot be made.
  Outputs(OutputPaths paths, const std::vector<std::string>& inputs, bool replace,
          double frames_per_second);
  ~Outputs();

  bool needs_pictures() const { return !paths_.overlay.empty() || !paths_.cutout.empty(); }
  void write(const Finished& finished);
  void write_masks(const Finished& finished);  // of it only masks and soft masks
  void finish();                               // completes the files that hold more than one frame

 private:
  void write_video(std::optional<munet::VideoWriter>& writer, const std::string& path,
                   const munet::Image& image, double seconds);
  void write_cutout(const Finished& finished, const munet::Image& image);
  void write_rle(const Finished& finished);
  void keep_trust(const Finished& finished);
  void write_trust() const;

  OutputPaths paths_;
  double frames_per_second_;
  std::optional<double> start_;  // seconds of the first frame: where videos begin
  munet::Image last_image_;      // stands in for pictures that could not be decoded
  std::optional<munet::VideoWriter> overlay_, green_;
  struct CloseFile {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::unique_ptr<std::FILE, CloseFile> rle_file_;
  bool rle_empty_ = true;
  std::map<int64_t, std::vector<TrustRow>> trust_;  // by the frame's index
  std::vector<TrustRow> trust_before_;              // of an interrupted run
};

// The bytes of a soft mask as a PNG of this depth holds them: 0..1 -> 0..255 or 0..65535, the high
// byte first.
std::vector<uint8_t> grey_bytes(const std::vector<float>& probability, int bits);
