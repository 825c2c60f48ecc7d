// From frames to masks: gives the network its masks, and damaged frames the mask before them.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "apps/outputs.h"
#include "apps/segment_options.h"
#include "munet/segmenter.h"

class Follower {
 public:
  // Reads nothing yet. Error if --objects are no ids.
  explicit Follower(const SegmentOptions& options);

  // The mask in this file comes with the frame of this index.
  void give(int64_t index, std::string path) { masks_[index] = std::move(path); }

  // The next frame's masks. With the first one, and the first one after restart(), comes --mask,
  // which goes out as it came. FileError if a mask or a frame cannot be used; the checkpoint is
  // read when the first ones are good. `next`, if not null, is the frame of the next call: a GPU
  // gets it before this one's masks are waited for, and works on while the CPU reads, prepares and
  // writes frames.
  Finished operator()(SourceFrame frame, const SourceFrame* next = nullptr);
  void restart() { segmenter_->reset(); }

  // Between two frames: everything that operator() goes on from, with a note of the caller's, as
  // Segmenter has it. load() also reads the checkpoint; FileError if it is another run's.
  void save(const std::string& path, const std::string& note) const;
  std::string load(const std::string& path);

  const munet::Segmenter& segmenter() const { return *segmenter_; }  // after a frame or load()
  const std::string& weights() const { return weights_; }            // the file, likewise
  int width() const { return width_; }
  int height() const { return height_; }
  int64_t damaged() const { return damaged_; }
  double network_seconds() const { return network_seconds_; }  // from pixels to masks

 private:
  bool begun() const { return segmenter_ && segmenter_->frames() > 0; }
  void make_segmenter();
  munet::Mask read_given(const std::string& path, const SourceFrame& frame) const;
  Finished step(SourceFrame frame, const SourceFrame* next);
  void announce(const SourceFrame* next);
  Finished keep_last(SourceFrame frame);
  void add_soft_masks(Finished& finished) const;
  void add_trust(Finished& finished, const std::string& frame) const;

  const SegmentOptions& options_;
  std::vector<int> wanted_;               // ids; empty: all
  std::map<int64_t, std::string> masks_;  // files, by the index of the frame they come with
  std::string weights_;
  std::unique_ptr<munet::Segmenter> segmenter_;
  std::vector<uint8_t> palette_;
  int width_ = 0, height_ = 0;
  int64_t damaged_ = 0;
  double network_seconds_ = 0;
};
