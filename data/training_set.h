// Annotated videos and stills to train on, whatever they are kept in. data/training_clips.h makes
// clips of them, data/pack.h puts them into one file.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "data/image.h"
#include "data/mask.h"

namespace munet {

// A video with a mask for each of its frames, or a still with its mask.
struct TrainingItem {
  std::string part;  // the data set's name
  std::string name;  // of the video or still
  bool still = false;
  std::vector<std::string> frames;   // their names, at least one
  std::map<int, std::string> kinds;  // of the objects by id ("zebra"), as far as known
};

class TrainingSet {
 public:
  virtual ~TrainingSet() = default;
  const std::vector<TrainingItem>& items() const { return items_; }
  // What was left out when the set was opened, one line each: pictures without a mask, ...
  const std::vector<std::string>& notices() const { return notices_; }

  // Of a frame, 0 <= frame < items()[item].frames.size(); from any thread. The picture has at least
  // `scale` (0..1) of the pixels of both sides that it has in its file. FileError with the path if
  // a file is missing, damaged, or if picture and mask differ in size.
  virtual Mask mask(std::size_t item, std::size_t frame) const = 0;
  virtual ScaledImage image(std::size_t item, std::size_t frame, double scale) const = 0;
  // Changes with the data.
  virtual std::string fingerprint() const = 0;

 protected:
  std::vector<TrainingItem> items_;
  std::vector<std::string> notices_;
};

// FileError unless picture and mask have one size.
void check_same_size(const std::string& name, const ScaledImage& image, const Mask& mask);

}  // namespace munet
