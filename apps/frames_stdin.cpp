// Raw frames as they come: nothing is waited for but the next one.
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "apps/frames.h"
#include "apps/interrupt.h"
#include "tensor/error.h"

namespace {

using namespace munet;

class StdinSource : public FrameSource {
 public:
  StdinSource(int width, int height) : width_(width), height_(height) {}

  bool next(SourceFrame& frame, bool) override {
    frame = numbered_frame("stdin", at_, double(at_) / frames_per_second);
    frame.image = {width_, height_, {}};
    frame.image.rgb.resize(std::size_t(width_) * std::size_t(height_) * 3);
    const std::size_t size = frame.image.rgb.size(), got = fill(frame.image.rgb);
    check<FileError>(got == 0 || got == size, "--stdin: expected frames of ", width_, "x", height_,
                     "x3 = ", size, " bytes; the last one, frame ", at_, ", has ", got);
    if (got == size) ++at_;
    return got == size;
  }

  int64_t find(const std::string& name, const std::string& what) const override {
    int64_t index = 0;
    check<FileError>(parse_count(name, index), what);
    return index;
  }

 private:
  // How many bytes there were until the end of the stream. Interrupted, also while it waits.
  std::size_t fill(std::vector<uint8_t>& bytes) const {
    std::size_t done = 0;
    while (done < bytes.size()) {
      pollfd in{STDIN_FILENO, POLLIN, 0};
      if (poll(&in, 1, 100) == 0) {
        stop_if_interrupted();
        continue;
      }
      const ssize_t n = read(STDIN_FILENO, bytes.data() + done, bytes.size() - done);
      if (n == 0) break;
      check<FileError>(n > 0 || errno == EINTR, "--stdin: cannot read: ", std::strerror(errno));
      if (n > 0) done += std::size_t(n);
    }
    return done;
  }

  int width_, height_;
  int64_t at_ = 0;
};

}  // namespace

std::unique_ptr<FrameSource> open_stdin(int width, int height) {
  return std::make_unique<StdinSource>(width, height);
}
