// `munet bench --train`: how long one training step takes, without reading any data.
#pragma once

#include <cstdint>
#include <string>

#include "tensor/device.h"
#include "tensor/precision.h"

struct TrainBenchOptions {
  std::string preset;
  int64_t height, width;  // of the frames, multiples of 16
  int objects, frames, rounds;
  bool json;
  munet::Device device = {};
  munet::Precision precision = munet::Precision::f32;
  std::size_t device_memory = 0;  // bytes, of a GPU; 0: all it has
};

// Steps on made-up frames: each frame is segmented with the memory of those before it, whose masks
// are the network's own; forward, backward and AdamW. Prints medians, and what tensors took at
// most; where a GPU's memory is too small, of steps with recomputation, as `munet train` takes
// them.
void bench_train(const TrainBenchOptions& options);
