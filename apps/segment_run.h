// The work of `munet segment`: frames are decoded ahead and results written behind, each on a
// thread of its own, so that the network never waits for files.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/frames.h"
#include "apps/outputs.h"
#include "munet/segmenter.h"

struct SegmentOptions {
  std::string input, mask, masks, weights, range, objects, summary;
  OutputPaths out;
  munet::SegmenterOptions network;
  int threads = 0;
  bool force = false, resume = false, estimate = false;
};

class SegmentRun {
 public:
  explicit SegmentRun(const SegmentOptions& options);
  void operator()();

 private:
  void find_later_masks();
  void follow(Outputs* outputs);
  Finished process(SourceFrame frame);
  Finished step(SourceFrame frame);
  Finished keep_last(SourceFrame frame);
  Finished from_disk(SourceFrame frame) const;
  void add_soft_masks(Finished& finished) const;
  std::string settings() const;
  void save_state() const;
  void load_state();
  munet::Mask read_given(const std::string& path, const SourceFrame& frame);
  void print_estimate() const;
  void report() const;
  void write_summary() const;
  int64_t new_frames() const { return std::max<int64_t>(1, frames_ - resumed_); }

  const SegmentOptions options_;
  std::string weights_, state_file_;
  std::vector<int> wanted_;  // ids; empty: all
  std::unique_ptr<FrameSource> source_;
  std::map<int64_t, std::string> masks_;         // given with frames, by their index
  std::unique_ptr<munet::Segmenter> segmenter_;  // made when the first frame and mask are good
  std::vector<uint8_t> palette_;
  int64_t resumed_ = 0;  // frames that are on the disk already
  int width_ = 0, height_ = 0;
  int64_t frames_ = 0, damaged_ = 0;
  double seconds_ = 0, network_seconds_ = 0;
};
