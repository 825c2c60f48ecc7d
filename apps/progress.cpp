// A bar that rewrites its line, or lines that do not.
#include "apps/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "apps/units.h"

namespace {

constexpr int kBarWidth = 24;
constexpr double kLineEvery = 5;  // seconds

double seconds_between(std::chrono::steady_clock::time_point a,
                       std::chrono::steady_clock::time_point b) {
  return std::chrono::duration<double>(b - a).count();
}

}  // namespace

Progress::Progress(int64_t total, int64_t done)
    : total_(total), done_(done), before_(done), terminal_(isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() {
  if (open_line_) std::fputc('\n', stderr);
}

double Progress::seconds() const { return seconds_between(start_, Clock::now()); }

void Progress::finished(const std::string& name) {
  const Clock::time_point now = Clock::now();
  const double took = seconds_between(last_, now);
  last_ = now;
  ++done_;
  // Weight 1/n up to ten frames, 1/10 from there on.
  pace_ += (took - pace_) / double(std::min<int64_t>(done_ - before_, 10));
  const std::string total = total_ < done_ ? "?" : std::to_string(total_);
  const std::string left = total_ < done_ ? "?" : format_seconds(pace_ * double(total_ - done_));
  if (terminal_) {
    const int filled = int(kBarWidth * done_ / std::max(total_, done_));
    std::fprintf(stderr, "\r\033[K[%s%s] %lld/%s  %s  %.2f s/frame  %s left",
                 std::string(std::size_t(filled), '=').c_str(),
                 std::string(std::size_t(kBarWidth - filled), ' ').c_str(), (long long)done_,
                 total.c_str(), name.c_str(), pace_, left.c_str());
    std::fflush(stderr);
    open_line_ = true;
  } else if (done_ == before_ + 1 || done_ == total_ ||
             seconds_between(shown_, now) >= kLineEvery) {
    std::fprintf(stderr, "frame %lld of %s (%s)  %.2f s/frame  %s left\n", (long long)done_,
                 total.c_str(), name.c_str(), pace_, left.c_str());
    shown_ = now;
  }
}
