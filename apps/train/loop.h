// The run: steps, checkpoints, logs, until the steps or the time are over or somebody stops it.
#pragma once

#include <filesystem>

#include "apps/train/state.h"

// What does not change the result.
struct RunOptions {
  std::filesystem::path out;  // folder of everything that the run writes
  double minutes = 0;         // of this leg, saving included; 0: no limit
  int64_t save_every = 500;   // steps
  int64_t log_every = 10;
  int64_t report_every = 100;  // steps from sample to sample; the report is as old at most
  int loader_threads = 1;
};

enum class Ending { finished, out_of_time, interrupted };

// Goes on from `state` to its last step. Files in `out`:
//   last.safetensors      everything, replaced every save_every steps and at the end
//   best.safetensors      weights of the best validation; final.safetensors: of the last step
//                         (both averaged if the recipe averages)
//   log.csv, validation.csv, events.out.tfevents.*, report.html, samples/
// SIGINT or SIGTERM: saves and returns. A loss or gradient that is not finite: Error that names the
// step, the last checkpoint and the dump of the clip, bad-clip.safetensors.
Ending run_training(TrainState& state, const munet::ClipSource& source, const RunOptions& options);
