// A video from its end: in pieces that fit into memory, each decoded forwards.
#include <algorithm>
#include <cmath>

#include "apps/frames.h"
#include "apps/interrupt.h"
#include "data/video.h"
#include "tensor/error.h"

namespace {

using namespace munet;

constexpr int64_t kPieceBytes = int64_t{64} << 20;

class BackwardVideo : public FrameSource {
 public:
  BackwardVideo(const std::string& path, FrameRange range, Moment from, int64_t done)
      : path_(path), reader_(path) {
    video = true;
    frames_per_second = reader_.info().frames_per_second;
    find_times(range, from);
    count = end_ - first_;
    end_ -= done;
    const int64_t bytes = int64_t{3} * reader_.info().width * reader_.info().height;
    piece_ = std::max<int64_t>(1, kPieceBytes / bytes);
  }

  bool next(SourceFrame& frame, bool) override {
    if (frames_.empty() && end_ > first_) read_piece();
    if (frames_.empty()) return false;
    frame = std::move(frames_.back());
    frames_.pop_back();
    return true;
  }

  int64_t find(const std::string& name, const std::string& what) const override {
    int64_t index = 0;
    check<FileError>(parse_count(name, index) && index >= first_ && index < end_, what);
    return index;
  }

 private:
  void find_times(const FrameRange& range, Moment from) {
    const auto reached = [&](const Moment& moment, const VideoFrame& frame) {
      return moment.timed() ? frame.seconds >= moment.seconds - 1e-4 : frame.index >= moment.frame;
    };
    first_ = -1;
    for (VideoFrame frame; reader_.next(frame, false) && !reached(range.last, frame);) {
      stop_if_interrupted();
      if (first_ < 0 && reached(range.first, frame)) first_ = frame.index;
      times_.push_back(frame.seconds);
      end_ = frame.index + 1;
      if (!reached(from, frame)) continue;
      if (first_ < 0) break;
      return;
    }
    throw FileError(str("--from: expected a frame of the range, ", range.first.text(), " to ",
                        end_ > 0 ? end_ - 1 : 0, "; given ", from.text()));
  }

  // To the frame `index`: by the file's index, or if that leads elsewhere from the start.
  bool seek(int64_t index, VideoFrame& frame) {
    const double time = times_[std::size_t(index)];
    const bool alone = index == 0 || times_[std::size_t(index - 1)] < time - 1e-3;
    reader_.seek(time);
    if (alone && reader_.next(frame) && std::abs(frame.seconds - time) < 1e-4) return true;
    reader_ = VideoReader(path_);
    for (int64_t i = 0; i < index; ++i)
      if (!reader_.next(frame, false)) return false;
    return reader_.next(frame);
  }

  void read_piece() {
    const int64_t begin = std::max(first_, end_ - piece_);
    VideoFrame frame;
    bool there = seek(begin, frame);
    for (int64_t i = begin; i < end_; ++i, there = i < end_ && reader_.next(frame)) {
      check<FileError>(there, "read_video: ", path_, ": expected frame ", i,
                       " a second time; found the end of the file");
      frames_.push_back(numbered_frame(path_, i, times_[std::size_t(i)]));
      frames_.back().image = std::move(frame.image);
      frames_.back().damage = frame.damage;
    }
    end_ = begin;
  }

  std::string path_;
  VideoReader reader_;
  std::vector<double> times_;    // of frames 0, 1, ... up to the last one needed
  int64_t first_ = 0, end_ = 0;  // frames that are still to be decoded
  int64_t piece_ = 1;
  std::vector<SourceFrame> frames_;  // of one piece, given out from the back
};

}  // namespace

std::unique_ptr<FrameSource> open_video_backwards(const std::string& path, FrameRange range,
                                                  Moment from, int64_t done) {
  return std::make_unique<BackwardVideo>(path, range, from, done);
}
