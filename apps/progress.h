// How far a loop over frames is, on stderr: a bar with the time left on a terminal, a line every
// few seconds elsewhere.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

class Progress {
 public:
  explicit Progress(int64_t total, int64_t done = 0);  // total 0: unknown; done: before the start
  ~Progress();                                         // leaves the cursor on a line of its own
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // One more is finished; `name` is shown. Seconds per frame are those of the last ten or so.
  void finished(const std::string& name);
  double seconds() const;  // since the start

 private:
  using Clock = std::chrono::steady_clock;
  int64_t total_, done_, before_;
  double pace_ = 0;  // seconds per frame, exponential average
  bool terminal_, open_line_ = false;
  Clock::time_point start_ = Clock::now(), last_ = start_, shown_;
};
