// A folder is a folder; everything else is taken for a video.
#include "apps/frames.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <filesystem>

#include "data/sequence.h"
#include "data/video.h"
#include "tensor/error.h"

namespace {

using namespace munet;
namespace fs = std::filesystem;

bool parse_count(const std::string& text, int64_t& value) {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && stop == end && value >= 0;
}

class FolderSource : public FrameSource {
 public:
  FolderSource(const std::string& path, FrameRange range) : range_(range) {
    FrameFolder folder = list_frames(path);
    frames_ = std::move(folder.frames);
    ignored = std::move(folder.ignored);
    range_.last = std::min(range_.last, int64_t(frames_.size()));
    check<FileError>(range_.first < range_.last, "--range: expected frames of ", path,
                     ", which has ", frames_.size(), "; given ", range.first, " as the first");
    count = range_.last - range_.first;
    at_ = range_.first;
  }

  bool next(SourceFrame& frame, bool picture) override {
    if (at_ == range_.last) return false;
    const fs::path& path = frames_[std::size_t(at_)];
    frame = {picture ? read_image(path) : Image{},
             path.stem().string(),
             path.string(),
             at_,
             double(at_) / frames_per_second,
             ""};
    ++at_;
    return true;
  }

  int64_t find(const std::string& name, const std::string& what) const override {
    const auto found =
        std::find_if(frames_.begin() + range_.first, frames_.begin() + range_.last,
                     [&](const fs::path& frame) { return frame.stem().string() == name; });
    check<FileError>(found != frames_.begin() + range_.last, what);
    return found - frames_.begin();
  }

 private:
  FrameRange range_;
  std::vector<fs::path> frames_;
  int64_t at_ = 0;
};

class VideoSource : public FrameSource {
 public:
  VideoSource(const std::string& path, FrameRange range)
      : path_(path), range_(range), reader_(path) {
    const VideoInfo& info = reader_.info();
    video = true;
    frames_per_second = info.frames_per_second;
    for (; at_ < range.first; ++at_)
      check<FileError>(reader_.skip(), "--range: expected frames of ", path, ", which has ", at_,
                       "; given ", range.first, " as the first");
    if (range.last < INT64_MAX || info.frames > 0)
      count = std::max<int64_t>(
          1, std::min(range.last, info.frames > 0 ? info.frames : range.last) - range.first);
  }

  bool next(SourceFrame& frame, bool picture) override {
    VideoFrame decoded;
    if (at_ >= range_.last) return false;
    if (picture ? !reader_.next(decoded) : !reader_.skip()) return false;
    char text[64];
    std::snprintf(text, sizeof text, "%05lld", static_cast<long long>(at_));
    frame = {std::move(decoded.image), text, "", at_, decoded.seconds, decoded.damage};
    std::snprintf(text, sizeof text, ", frame %lld (%.2f s)", static_cast<long long>(at_),
                  decoded.seconds);
    frame.label = path_ + text;
    ++at_;
    return true;
  }

  int64_t find(const std::string& name, const std::string& what) const override {
    int64_t index = 0;
    check<FileError>(parse_count(name, index) && index >= range_.first && index < range_.last,
                     what);
    return index;
  }

 private:
  std::string path_;
  FrameRange range_;
  VideoReader reader_;
  int64_t at_ = 0;
};

}  // namespace

FrameRange parse_range(const std::string& text) {
  FrameRange range;
  if (text.empty()) return range;
  const std::size_t colon = text.find(':');
  const std::string first = text.substr(0, colon);
  const std::string last = colon == std::string::npos ? "" : text.substr(colon + 1);
  check(colon != std::string::npos && (first.empty() || parse_count(first, range.first)) &&
            (last.empty() || parse_count(last, range.last)) && range.first < range.last,
        "--range: expected FIRST:END, frames counted from 0 and END not included, like 30:120; "
        "given \"",
        text, "\"");
  return range;
}

std::unique_ptr<FrameSource> open_frames(const std::string& path, FrameRange range) {
  std::error_code unknown;
  // What is not there at all is reported as a folder: it says so in plain words.
  if (fs::is_directory(path, unknown) || !fs::exists(path, unknown))
    return std::make_unique<FolderSource>(path, range);
  return std::make_unique<VideoSource>(path, range);
}
