// The work of `munet segment`: frames are decoded ahead and results written behind, each on a
// thread of its own, so that the network never waits for files.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "apps/follower.h"
#include "apps/frames.h"
#include "apps/outputs.h"
#include "apps/segment_options.h"

class SegmentRun {
 public:
  explicit SegmentRun(const SegmentOptions& options);
  void operator()();

 private:
  void find_later_masks();
  void follow(Outputs* outputs);
  Finished from_disk(SourceFrame frame) const;
  std::string settings() const;
  void save_state() const;
  void load_state();

  const SegmentOptions options_;
  Follower follower_;
  std::string state_file_;
  std::unique_ptr<FrameSource> source_;
  int64_t resumed_ = 0;  // frames that are on the disk already
  int64_t frames_ = 0;
  double seconds_ = 0;
};
