// How long a program waits for its first mask: weights opened, the frame with the given mask
// pushed, the next frame pushed; then the same two frames again in the warm process, which is the
// network's own time. Prints milliseconds: open, first, network, and what the start costs beyond
// the network.
//   first_mask WEIGHTS [WIDTH HEIGHT]   run by first_mask.sh, once per process
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>

#include "munet/segmenter.h"

namespace {

double milliseconds() {
  using namespace std::chrono;
  return duration<double, std::milli>(steady_clock::now().time_since_epoch()).count();
}

// A moving square over a texture.
struct Video {
  int width, height;
  std::vector<unsigned char> ids, rgb;
  Video(int w, int h) : width(w), height(h), ids(std::size_t(w) * h), rgb(ids.size() * 3) {}
  void draw(int t) {
    for (int y = 0, i = 0; y < height; ++y)
      for (int x = 0; x < width; ++x, ++i) {
        ids[i] =
            std::abs(x - width / 2 - 3 * t) < height / 4 && std::abs(y * 2 - height) < height / 2;
        for (int c = 0; c < 3; ++c)
          rgb[3 * i + c] = (unsigned char)((x * 7 ^ y * 5) % 64 + 150 * ids[i]);
      }
  }
  // The second mask of a video: the first that the network finds.
  void follow(munet::Segmenter& segmenter) {
    draw(0);
    const munet::MaskView mask{ids.data(), width, height, 0};
    segmenter.step({rgb.data(), width, height}, &mask);
    draw(1);
    segmenter.step({rgb.data(), width, height});
    ids = segmenter.labels();
  }
};

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 2 && argc != 4) return 2;
  Video video(argc > 2 ? std::atoi(argv[2]) : 854, argc > 2 ? std::atoi(argv[3]) : 480);
  video.draw(0);  // a camera's memory is there before
  const double start = milliseconds();
  munet::Segmenter segmenter{std::string(argv[1])};
  const double opened = milliseconds();
  video.follow(segmenter);
  const double first = milliseconds() - start;
  double network = 1e9;
  for (int round = 0; round < 3; ++round) {
    segmenter.reset();
    const double again = milliseconds();
    video.follow(segmenter);
    network = std::min(network, milliseconds() - again);
  }
  std::printf("%.0f %.0f %.0f %.0f\n", opened - start, first, network, first - network);
  return 0;
} catch (const std::exception& e) {
  std::fprintf(stderr, "first_mask: %s\n", e.what());
  return 1;
}
