// The work of `munet segment`: frames are decoded ahead and results written behind, each on a
// thread of its own, so that the network never waits for files.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "apps/follower.h"
#include "apps/frames.h"
#include "apps/outputs.h"
#include "apps/progress.h"
#include "apps/segment_options.h"

class SegmentRun {
 public:
  explicit SegmentRun(const SegmentOptions& options);
  void operator()();

 private:
  void open();
  void find_later_masks();
  void estimate();
  void go_backwards(Outputs& outputs);
  using Write = std::function<bool(const Finished&)>;  // true: it is a new mask
  void follow(FrameSource& source, bool pictures, const Write& write, int64_t limit = INT64_MAX);
  Finished from_disk(SourceFrame frame) const;
  std::string settings() const;
  void save_state() const;
  void load_state();

  const SegmentOptions options_;
  const FrameRange range_;
  Follower follower_;
  std::string state_file_;
  std::unique_ptr<FrameSource> source_;
  std::unique_ptr<Progress> progress_;
  bool backwards_ = false;  // in the pass from --from to the range's first frame
  int64_t done_ = 0;        // frames of this pass
  int64_t on_disk_ = 0;     // of these, masks that were there before it
  bool unsaved_ = false;    // something was done that a saved state would keep
  int64_t written_ = 0;     // masks of this run
};
