// What `munet segment` is asked for.
#pragma once

#include <string>

#include "apps/network_options.h"
#include "apps/outputs.h"

struct SegmentOptions : NetworkOptions {
  std::string input, mask, masks, weights, range, from, objects, summary;
  OutputPaths out;
  int stdin_width = 0, stdin_height = 0;  // raw frames from there, ids to stdout; 0: from input
  double frames_per_second = 0;           // of films made from frames without times; 0: 25
  int threads = 0;
  bool force = false, resume = false, estimate = false;
};
