// Video files by FFmpeg's libraries. A build without them (MUNET_VIDEO=OFF) links no_video.cpp,
// where every constructor throws a FileError that says so.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "data/image.h"

namespace munet {

struct VideoInfo {
  int width = 0, height = 0;     // pixels, as shown: after the rotation that the file asks for
  double frames_per_second = 0;  // on average
  int64_t frames = 0;            // as the file says, or duration x rate; 0: unknown
  std::string codec;             // "h264"
};

struct VideoFrame {
  Image image;         // as shown; empty if nothing of a damaged frame could be decoded
  double seconds = 0;  // since the first frame
  int64_t index = 0;   // 0, 1, ...; -1 after a seek
  std::string damage;  // why the frame is not as it was recorded; empty: it is
};

// Reads the first real video track of a file of any kind that FFmpeg knows, one frame at a time, in
// the order of display; sound and cover pictures are ignored. Frames keep their time stamps, none
// is repeated or dropped to reach a constant rate. A frame whose data is damaged keeps its place
// and says so. FileError (path, what was expected and found, a hint) if the file cannot be read, is
// no video, is cut off, has no frame or frames beyond check_picture_size's limits, or changes size.
class VideoReader {
 public:
  explicit VideoReader(const std::filesystem::path& path);
  ~VideoReader();
  VideoReader(VideoReader&&) noexcept;
  VideoReader& operator=(VideoReader&&) noexcept;

  const VideoInfo& info() const;
  // The next frame; false at the end. picture: false leaves the image empty, faster.
  bool next(VideoFrame& frame, bool picture = true);
  // next() then gives the first frame at or after this time: skip_to() by decoding what lies
  // between, and says how many frames that were; seek() by the file's index, also backwards, and
  // frames have no number any more.
  int64_t skip_to(double seconds);
  void seek(double seconds);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Writes an MP4 that plays everywhere: H.264 (MPEG-4 where FFmpeg has no libx264), yuv420p, odd
// sizes continued by one pixel. Under a temporary name until finish(); never finished, it is
// removed. FileError if it cannot be written, on a full disk too; ShapeError on a frame of another
// size.
class VideoWriter {
 public:
  // frames_per_second: the usual rate; only the last frame's duration depends on it.
  VideoWriter(const std::filesystem::path& path, int width, int height, double frames_per_second);
  ~VideoWriter();
  VideoWriter(VideoWriter&&) noexcept;

  void write(const Image& image, double seconds);  // time stamps ascend
  void finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace munet
