// Frames as the command line names them: by number or by time.
#pragma once

#include <cstdint>
#include <string>

// A frame by its number, counted from 0; or, where seconds is not negative, the first one of a
// video that is not before this time.
struct Moment {
  int64_t frame = 0;
  double seconds = -1;
  bool timed() const { return seconds >= 0; }
  std::string text() const;  // "300", "12.5s"
};
// "300" or "12.5s"; Error, which begins with the option, on anything else.
Moment parse_moment(const std::string& option, const std::string& text);

// From the first up to, and without, the last.
struct FrameRange {
  Moment first, last{INT64_MAX};
};
FrameRange parse_range(const std::string& text);  // "a:b", "a:", ":b", ""; Error on anything else

bool parse_count(const std::string& text, int64_t& value);  // digits only; false on anything else
