// Where frames come from: a folder of pictures, or a video.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "data/image.h"

struct SourceFrame {
  munet::Image image;  // empty if it was skipped, or damaged beyond decoding
  std::string name;    // of what is written for it: the picture's stem, or 00000, 00001, ...
  std::string label;   // for messages: the picture's path, or "VIDEO, frame 12 (0.48 s)"
  int64_t index = 0;   // in the folder or video
  double seconds = 0;
  std::string damage;  // empty: it is whole
};

// Frames first..last-1, counted from 0.
struct FrameRange {
  int64_t first = 0, last = INT64_MAX;
};
FrameRange parse_range(const std::string& text);  // "a:b", "a:", ":b", ""; Error on anything else

class FrameSource {
 public:
  virtual ~FrameSource() = default;
  // The next frame of the range; false at its end. picture: false leaves image empty, faster.
  // FileError if it cannot be read.
  virtual bool next(SourceFrame& frame, bool picture = true) = 0;
  // The index of the frame with this name. FileError, which says what the name is of, if none has
  // it or it lies outside of the range.
  virtual int64_t find(const std::string& name, const std::string& what) const = 0;

  int64_t count = 0;  // frames in the range; 0: unknown
  bool video = false;
  double frames_per_second = 25;
  std::vector<std::string> ignored;  // files of a folder that are no pictures
};

// FileError if there is nothing to read, also within the range.
std::unique_ptr<FrameSource> open_frames(const std::string& path, FrameRange range);
