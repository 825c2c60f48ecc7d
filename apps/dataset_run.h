// Segments a data set from its first masks, and says how fast that was: `munet segment --dataset`
// and `munet evaluate --run`.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "apps/trust_file.h"
#include "data/truth.h"
#include "munet/segmenter.h"

struct SequenceSpeed {
  std::string name;
  int64_t frames = 0;
  int64_t object_frames = 0;   // the sum over frames of the objects that are followed
  int width = 0, height = 0;   // of its frames
  double seconds = 0;          // all: files, network, files
  double network_seconds = 0;  // from pixels to ids
  int64_t memory_bytes = 0;    // of keys and values, at the end
};

struct DataSetRun {
  std::string command = "evaluate", option = "--run";  // what messages begin with
  std::string weights;
  munet::SegmenterOptions network = {};
  bool resume = false;   // sequences whose masks are all there are left as they are
  bool replace = false;  // RESULTS may hold files
  bool show_progress = true;
  bool trust = false;  // a row per frame and object
  int batch = 1;       // so many frames are read and encoded together
};

struct Speed {
  DataSetRun run;
  std::vector<SequenceSpeed> sequences;
  std::vector<TrustRow> trust;
};

// Writes RESULTS/FOLDER/STEM.png for every frame that is asked for of every sequence. Masks are
// given as the rule says: DAVIS's first, or each object's first. One sequence after the other, each
// on all threads, after a warm-up of two frames that does not count. FileError if RESULTS holds
// anything, or if the frames are not there, not of one size, or not those that are annotated.
Speed run_data_set(const munet::Truth& truth, const DataSetRun& run,
                   const std::filesystem::path& results);

// Where the mask of a frame lies in the results.
std::filesystem::path result_path(const std::filesystem::path& results,
                                  const munet::TruthSequence& sequence, const std::string& stem);

// Frames per second, each as the mean over sequences and as all frames by all seconds.
struct FramesPerSecond {
  double mean, total;
};
FramesPerSecond frames_per_second(const Speed& speed, double SequenceSpeed::*seconds);

// One line that says how fast and under what conditions, and the same as JSON with each sequence.
std::string speed_line(const Speed& speed);
std::string speed_json(const Speed& speed);
