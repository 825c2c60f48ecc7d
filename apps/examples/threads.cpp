// Several videos at once, each on its own thread, with one set of weights: the masks are the same
// as one after the other.
//   threads WEIGHTS [STREAMS]
#include <munet/segmenter.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <thread>
#include <vector>

constexpr int kWidth = 160, kHeight = 96, kFrames = 6;

// The soft mask of a disc after kFrames frames, in its own video.
static std::vector<float> follow(const munet::Weights& weights, int video) {
  munet::Segmenter segmenter(weights);
  for (int t = 0; t < kFrames; ++t) {
    std::vector<unsigned char> rgb(kWidth * kHeight * 3), ids(kWidth * kHeight);
    for (int i = 0; i < kHeight; ++i)
      for (int j = 0; j < kWidth; ++j) {
        const int x = j - 50 - t * (video % 4), y = i - 40 - video, at = i * kWidth + j;
        ids[at] = x * x + y * y < 900;
        rgb[at * 3] = ids[at] ? 220 : 60;
        rgb[at * 3 + 1] = static_cast<unsigned char>(40 * (video % 5) + (i ^ j) % 32);
      }
    const munet::MaskView mask{ids.data(), kWidth, kHeight, 0};
    segmenter.step({rgb.data(), kWidth, kHeight}, t == 0 ? &mask : nullptr);
  }
  return segmenter.probability(1);
}

static int run(const char* checkpoint, int streams) {
  const munet::Weights weights(checkpoint);  // read and packed once
  const auto start = std::chrono::steady_clock::now();
  std::vector<std::vector<float>> together(streams);
  std::vector<std::thread> threads;
  for (int i = 0; i < streams; ++i)
    threads.emplace_back([&, i] { together[i] = follow(weights, i); });
  for (std::thread& thread : threads) thread.join();
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;

  int equal = 0;
  for (int i = 0; i < streams; ++i) equal += together[i] == follow(weights, i);
  std::printf("%d streams of %d frames, %d equal to themselves alone\n", streams, kFrames, equal);
  std::fprintf(stderr, "%.1f frames a second together; weights %.1f MiB, once\n",
               streams * kFrames / seconds.count(), weights.bytes() / 1048576.0);
  return equal == streams ? 0 : 1;
}

int main(int argc, char** argv) try {
  return argc > 1 ? run(argv[1], argc > 2 ? std::atoi(argv[2]) : 4) : 2;
} catch (const std::exception& e) {
  std::fprintf(stderr, "threads: %s\n", e.what());
  return 1;
}
