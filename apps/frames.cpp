// A folder is a folder; everything else is taken for a video.
#include "apps/frames.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "apps/interrupt.h"
#include "data/sequence.h"
#include "data/video.h"
#include "tensor/error.h"

namespace {

using namespace munet;
namespace fs = std::filesystem;

class FolderSource : public FrameSource {
 public:
  FolderSource(const std::string& path, FrameRange range) : range_(range) {
    FrameFolder folder = list_frames(path);
    frames_ = std::move(folder.frames);
    ignored = std::move(folder.ignored);
    for (const Moment& moment : {range.first, range.last})
      check<FileError>(!moment.timed(), "--range: expected numbers of frames for a folder, which ",
                       "has no times; given ", moment.text());
    range_.last.frame = std::min(range_.last.frame, int64_t(frames_.size()));
    check<FileError>(range_.first.frame < range_.last.frame, "--range: expected frames of ", path,
                     ", which has ", frames_.size(), "; given ", range.first.frame,
                     " as the first");
    count = range_.last.frame - range_.first.frame;
    at_ = range_.first.frame;
  }

  // From here on back to the range's first frame.
  void turn_round(Moment from, int64_t done) {
    check<FileError>(
        !from.timed() && from.frame >= range_.first.frame && from.frame < range_.last.frame,
        "--from: expected the number of a frame in ", range_.first.frame, ":", range_.last.frame,
        "; given ", from.text());
    count = from.frame - range_.first.frame + 1;
    at_ = from.frame - done;
    step_ = -1;
  }

  bool next(SourceFrame& frame, bool picture) override {
    if (at_ == range_.last.frame || at_ < range_.first.frame) return false;
    const fs::path& path = frames_[std::size_t(at_)];
    frame = {picture ? read_image(path) : Image{},
             path.stem().string(),
             path.string(),
             at_,
             double(at_) / frames_per_second,
             ""};
    at_ += step_;
    return true;
  }

  int64_t find(const std::string& name, const std::string& what) const override {
    const auto end = frames_.begin() + range_.last.frame;
    const auto found = std::find_if(frames_.begin() + range_.first.frame, end,
                                    [&](const fs::path& f) { return f.stem().string() == name; });
    check<FileError>(found != end, what);
    return found - frames_.begin();
  }

 private:
  FrameRange range_;
  std::vector<fs::path> frames_;
  int64_t at_ = 0, step_ = 1;
};

class VideoSource : public FrameSource {
 public:
  VideoSource(const std::string& path, FrameRange range)
      : path_(path), last_(range.last), reader_(path) {
    const VideoInfo& info = reader_.info();
    video = true;
    frames_per_second = info.frames_per_second;
    go_to(range.first);
    first_ = at_;
    const double end = last_.timed() ? last_.seconds * info.frames_per_second : double(last_.frame);
    if (end < 1e15 || info.frames > 0)
      count = std::max(int64_t{1},
                       int64_t(info.frames > 0 ? std::min(end, double(info.frames)) : end) - at_);
  }

  bool next(SourceFrame& frame, bool picture) override {
    VideoFrame decoded;
    if ((!last_.timed() && at_ >= last_.frame) || !reader_.next(decoded, picture)) return false;
    if (last_.timed() && decoded.seconds >= last_.seconds) return false;
    frame = numbered_frame(path_, at_++, decoded.seconds);
    frame.image = std::move(decoded.image);
    frame.damage = decoded.damage;
    return true;
  }

  int64_t find(const std::string& name, const std::string& what) const override {
    int64_t index = 0;
    check<FileError>(
        parse_count(name, index) && index >= first_ && (last_.timed() || index < last_.frame),
        what);
    return index;
  }

 private:
  void go_to(Moment first) {
    VideoFrame skipped;
    if (first.timed()) {
      at_ = reader_.skip_to(first.seconds);
      return;
    }
    for (; at_ < first.frame; ++at_) {
      stop_if_interrupted();
      check<FileError>(reader_.next(skipped, false), "--range: expected frames of ", path_,
                       ", which has ", at_, "; given ", first.frame, " as the first");
    }
  }

  std::string path_;
  Moment last_;
  VideoReader reader_;
  int64_t at_ = 0, first_ = 0;
};

bool is_folder(const std::string& path) {
  std::error_code unknown;
  // What is not there at all is reported as a folder: it says so in plain words.
  return fs::is_directory(path, unknown) || !fs::exists(path, unknown);
}

}  // namespace

SourceFrame numbered_frame(const std::string& path, int64_t index, double seconds) {
  SourceFrame frame;
  char text[64];
  std::snprintf(text, sizeof text, "%05lld", static_cast<long long>(index));
  frame.name = text;
  std::snprintf(text, sizeof text, ", frame %lld (%.2f s)", static_cast<long long>(index), seconds);
  frame.label = path + text;
  frame.index = index;
  frame.seconds = seconds;
  return frame;
}

std::unique_ptr<FrameSource> open_frames(const std::string& path, FrameRange range) {
  if (is_folder(path)) return std::make_unique<FolderSource>(path, range);
  return std::make_unique<VideoSource>(path, range);
}

std::unique_ptr<FrameSource> open_backwards(const std::string& path, FrameRange range, Moment from,
                                            int64_t done) {
  if (!is_folder(path)) return open_video_backwards(path, range, from, done);
  auto folder = std::make_unique<FolderSource>(path, range);
  folder->turn_round(from, done);
  return folder;
}
