// `munet bench --train`: how long one training step takes, without reading any data.
#pragma once

#include <cstdint>
#include <string>

struct TrainBenchOptions {
  std::string preset;
  int64_t height, width;  // of the frames, multiples of 16
  int objects, frames, rounds;
  bool json;
};

// Steps on made-up frames: each frame is segmented with the memory of those before it, whose masks
// are the network's own; forward, backward and AdamW. Prints medians.
void bench_train(const TrainBenchOptions& options);
