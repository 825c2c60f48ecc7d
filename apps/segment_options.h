// What `munet segment` is asked for.
#pragma once

#include <string>

#include "apps/outputs.h"
#include "munet/segmenter.h"

struct SegmentOptions {
  std::string input, mask, masks, weights, range, objects, summary;
  OutputPaths out;
  munet::SegmenterOptions network;
  int threads = 0;
  bool force = false, resume = false, estimate = false;
};
