// Training clips: a few frames with the masks of the objects to follow. Where they come from
// (data sets, packs, drawn shapes), what is done to them, and threads that make them ahead of time.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tensor/tensor.h"

namespace munet {

struct Clip {
  std::string name;  // data set, sequence and frames, for messages
  Tensor frames;     // f32 [t, h, w, 3], RGB 0..1
  Tensor masks;      // u8 [t, h, w]: 0 = background (void too), 1..objects
  int objects = 0;   // at least 1, each in masks of frame 0
};

// The keys of clips and their augmentation (network.md 11), with the paper's values. Angles in
// degrees, shifts in shares of the crop's side, chances 0..1.
struct ClipOptions {
  int clip_frames = 6;   // the first is the reference
  int crop = 400;        // side of the square, pixels
  int max_objects = 3;   // per clip, drawn from those of the first frame
  int min_pixels = 100;  // of an object in the first frame, after the crop
  int max_skip = 1;      // frames of a video from one of the clip to the next: 1..max_skip
  double reverse = 0;    // chance of a video backwards
  double flip = 0.5;     // chance of a mirrored clip
  double resize_low = 1, resize_high = 1.5;  // shorter side of the frame / crop
  double rotate = 15, shear = 10, translate = 0.1, scale = 0.05;  // uniform in +- this, per clip
  double brightness = 0.1, contrast = 0.1, saturation = 0.1, hue = 0.02;  // likewise
  double frame_share = 0.2;  // of all these +-, drawn again for each frame
  // A still's camera path: standard deviations of its speed per frame; jerks are a fifth of them.
  double still_rotate = 6, still_scale = 0.06, still_shift = 0.07;
  int still_max_step = 192;  // pixels from frame to frame, at most
  // > 0: clips 0 to stills_first - 1 are of stills alone, all later ones of videos alone.
  int64_t stills_first = 0;
  double merge = 0;  // chance of a second clip's objects on top of the first's
  // Against identity switches: chance of one more instance of the same kind (another time of the
  // same video, the same still, or another of its kind), in front of or behind the objects.
  double compose = 0;
  double compose_background = 0.5;  // share of these that are no object to follow: hard negatives
  double occlude = 0;               // chance of something in front that passes through

  bool operator==(const ClipOptions&) const = default;
};

// Calls f(name, value) for every key, in the order above.
template <class Options, class F>
void for_clip_keys(Options& o, F&& f) {
  f("clip_frames", o.clip_frames);
  f("crop", o.crop);
  f("max_objects", o.max_objects);
  f("min_pixels", o.min_pixels);
  f("max_skip", o.max_skip);
  f("reverse", o.reverse);
  f("flip", o.flip);
  f("resize_low", o.resize_low);
  f("resize_high", o.resize_high);
  f("rotate", o.rotate);
  f("shear", o.shear);
  f("translate", o.translate);
  f("scale", o.scale);
  f("brightness", o.brightness);
  f("contrast", o.contrast);
  f("saturation", o.saturation);
  f("hue", o.hue);
  f("frame_share", o.frame_share);
  f("still_rotate", o.still_rotate);
  f("still_scale", o.still_scale);
  f("still_shift", o.still_shift);
  f("still_max_step", o.still_max_step);
  f("stills_first", o.stills_first);
  f("merge", o.merge);
  f("compose", o.compose);
  f("compose_background", o.compose_background);
  f("occlude", o.occlude);
}

// Error that names the key, its range and the value found.
void check_clip_options(const ClipOptions& options);

// Objects of fewer than min_pixels pixels in the first frame become background everywhere; the
// others are numbered 1, 2, ... in the order of their ids. masks u8 [t, h, w] is changed in place;
// returns how many are left.
int keep_visible(const Tensor& masks, int min_pixels);

class ClipSource {
 public:
  virtual ~ClipSource() = default;
  // A pure function of the source, its seed and the index, from any thread.
  virtual Clip clip(uint64_t index) const = 0;
  // A name of the data themselves, to notice that they changed: "toy", or hexadecimal digits.
  virtual std::string fingerprint() const = 0;
  // One line: how many sequences, frames and stills there are, and of what.
  virtual std::string summary() const = 0;
  // Files that could not be used so far, with the reason, one line each. They are skipped, in the
  // same way for any number of threads; clip() throws Error when they are too many.
  virtual std::vector<std::string> faults() const { return {}; }
};

// Moving shapes drawn on the fly: one to max_objects shapes with textures of their own before a
// textured background, some of them alike; distractors that are no object, fewer than max_objects;
// all may hide each other. Of the keys clip_frames, crop, max_objects and min_pixels count.
std::unique_ptr<ClipSource> toy_clips(const ClipOptions& options, uint64_t seed);

// Makes clips first, first + 1, ... ahead of time, at most `depth` of them, in `threads` threads
// (0: in next() itself). The clips do not depend on either.
class ClipLoader {
 public:
  ClipLoader(const ClipSource& source, int threads, int depth, uint64_t first = 0);
  ~ClipLoader();
  ClipLoader(const ClipLoader&) = delete;
  ClipLoader& operator=(const ClipLoader&) = delete;

  Clip next();                                       // rethrows what clip() threw for this index
  uint64_t position() const { return next_; }        // index of the clip that next() will return
  double seconds_waited() const { return waited_; }  // in next(), in total

 private:
  struct Made {
    Clip clip;
    std::exception_ptr error;
  };
  Made make(uint64_t index) const;
  void work();

  const ClipSource& source_;
  const uint64_t depth_;
  uint64_t next_, claimed_;  // the next to hand out, the next to make
  std::map<uint64_t, Made> made_;
  std::mutex mutex_;
  std::condition_variable room_, ready_;
  bool stop_ = false;
  double waited_ = 0;
  std::vector<std::thread> threads_;
};

}  // namespace munet
