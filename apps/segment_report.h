// What `munet segment` tells about a run: before it, after it, and as JSON.
#pragma once

#include <cstdint>

#include "apps/follower.h"

struct SegmentFigures {
  int64_t frames = 0;      // in all
  int64_t new_frames = 0;  // of these not from an earlier run; at least 1
  double seconds = 0;      // with reading and writing
};

// After the first few frames: time and memory that `total` frames will take; `known`: that many
// there are, else at least.
void print_estimate(const SegmentOptions& options, const Follower& follower, int64_t frames,
                    int64_t total, bool known);

void print_report(const SegmentOptions& options, const Follower& follower,
                  const SegmentFigures& figures);

// FileError if it cannot be written.
void write_summary(const SegmentOptions& options, const Follower& follower,
                   const SegmentFigures& figures);
