// Where frames come from: a folder of pictures, a video, or a stream of raw pixels.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "apps/moment.h"
#include "data/image.h"

struct SourceFrame {
  munet::Image image;  // empty if it was skipped, or damaged beyond decoding
  std::string name;    // of what is written for it: the picture's stem, or 00000, 00001, ...
  std::string label;   // for messages: the picture's path, or "VIDEO, frame 12 (0.48 s)"
  int64_t index = 0;   // in the folder or video
  double seconds = 0;
  std::string damage;  // empty: it is whole
  std::size_t bytes() const { return image.rgb.size(); }
};

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

// The same frames from `from` back to the range's first, but for the `done` first ones of these.
// Memory stays bounded: a video is decoded in pieces. FileError if `from` is not in the range.
std::unique_ptr<FrameSource> open_backwards(const std::string& path, FrameRange range, Moment from,
                                            int64_t done);

// Raw frames on stdin: width x height x 3 bytes each, red, green and blue. FileError if the last
// one is not whole, or if there is none.
std::unique_ptr<FrameSource> open_stdin(int width, int height);

// Parts of the above. A frame of a video or stream, without its picture; a video backwards.
SourceFrame numbered_frame(const std::string& path, int64_t index, double seconds);
std::unique_ptr<FrameSource> open_video_backwards(const std::string& path, FrameRange range,
                                                  Moment from, int64_t done);
