// Linked in place of video_reader.cpp and video_writer.cpp when FFmpeg's libraries are not there.
#include <string>

#include "data/video.h"
#include "tensor/error.h"

namespace munet {
namespace {

[[noreturn]] void no_video(const char* op, const std::filesystem::path& path, const char* instead) {
  throw FileError(str(op, ": ", path.string(),
                      ": expected a build with FFmpeg; this one has none: install "
                      "libavformat-dev libavcodec-dev libswscale-dev libavutil-dev and build "
                      "again, or ",
                      instead));
}

}  // namespace

struct VideoReader::State {};
VideoReader::VideoReader(const std::filesystem::path& path) {
  no_video("read_video", path, "give a folder of pictures");
}
VideoReader::~VideoReader() = default;
VideoReader::VideoReader(VideoReader&&) noexcept = default;
VideoReader& VideoReader::operator=(VideoReader&&) noexcept = default;
const VideoInfo& VideoReader::info() const {
  static const VideoInfo none;
  return none;
}
bool VideoReader::next(VideoFrame&, bool) { return false; }
int64_t VideoReader::skip_to(double) { return 0; }
void VideoReader::seek(double) {}

struct VideoWriter::State {};
VideoWriter::VideoWriter(const std::filesystem::path& path, int, int, double) {
  no_video("write_video", path, "write pictures");
}
VideoWriter::~VideoWriter() = default;
VideoWriter::VideoWriter(VideoWriter&&) noexcept = default;
void VideoWriter::write(const Image&, double) {}
void VideoWriter::finish() {}

}  // namespace munet
