// The work of `munet segment`: frames are decoded ahead and results written behind, each on a
// thread of its own, so that the network never waits for files.
#pragma once

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
  bool force = false, estimate = false;
};

class SegmentRun {
 public:
  explicit SegmentRun(const SegmentOptions& options);
  void operator()();

 private:
  void find_later_masks();
  void follow(Outputs* outputs);
  Finished step(SourceFrame frame);
  Finished keep_last(SourceFrame frame);
  munet::Mask read_given(const std::string& path, const SourceFrame& frame);
  void print_estimate() const;
  void report() const;
  void write_summary() const;

  const SegmentOptions options_;
  std::string weights_;
  std::vector<int> wanted_;  // ids; empty: all
  std::unique_ptr<FrameSource> source_;
  std::map<int64_t, std::string> masks_;         // given with frames, by their index
  std::unique_ptr<munet::Segmenter> segmenter_;  // made when the first frame and mask are good
  std::vector<uint8_t> palette_;
  Finished last_;
  int width_ = 0, height_ = 0;
  int64_t frames_ = 0, damaged_ = 0;
  double seconds_ = 0, network_seconds_ = 0;
};
