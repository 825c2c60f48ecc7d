// How a frame becomes the network's input: sizes, padding, and enlarging what is small.
#include "munet/frame.h"

#include <cmath>

#include "munet/segmenter.h"
#include "tensor/image_resize.h"
#include "tensor/random.h"
#include "tests/catch.h"
#include "tests/model_support.h"
#include "tests/support.h"

using namespace munet;

TEST_CASE("frame geometry", "[segmenter]") {
  const FrameGeometry g = frame_geometry(1920, 1080, 480);
  CHECK((g.width == 853 && g.height == 480 && g.padded_width == 864 && g.padded_height == 480));
  CHECK((g.left == 5 && g.top == 0));
  const FrameGeometry raw = frame_geometry(53, 37, 0);
  CHECK((raw.width == 53 && raw.padded_width == 64 && raw.left == 5 && raw.padded_height == 48 &&
         raw.top == 5));
  CHECK(frame_geometry(300, 200, 480).width == 300);  // enlarged only if asked for
  const FrameGeometry enlarged = frame_geometry(300, 200, 480, true);
  CHECK((enlarged.width == 720 && enlarged.height == 480 && enlarged.padded_width == 720));
  CHECK((enlarged.input_width == 300 && enlarged.input_height == 200));
  CHECK(frame_geometry(1920, 1080, 480, true).height == 480);
  CHECK_THROWS_AS(frame_geometry(30000, 20, 480, true), Error);
  CHECK_THROWS_AS(frame_geometry(0, 5, 0), Error);
  CHECK_THROWS_AS(frame_geometry(40000, 5, 0), Error);
}

TEST_CASE("an enlarged frame is seen like one that was enlarged before", "[segmenter]") {
  constexpr int kWidth = 53, kHeight = 37, kTwiceWidth = 2 * kWidth, kTwiceHeight = 2 * kHeight;
  SegmenterOptions options;
  const TemporaryFolder folder;
  const Weights weights(write_checkpoint(folder.path.string(), preset("munet18")));
  Segmenter plain(weights, options), before(weights, options);
  options.shorter_side = kTwiceHeight;
  options.enlarge = true;
  Segmenter enlarged(weights, options);
  for (int t = 0; t < 3; ++t) {
    std::vector<uint8_t> rgb, ids;
    for (int y = 0; y < kHeight; ++y)
      for (int x = 0; x < kWidth; ++x) {
        ids.push_back(std::abs(y - 12) < 8 && std::abs(x - 14) < 9);
        for (int c = 0; c < 3; ++c)
          rgb.push_back(uint8_t(40 * random_uniform(t, rgb.size()) +
                                (std::abs(y - 12) < 8 && std::abs(x - 14 - t) < 9 ? 150 : 20)));
      }
    std::vector<float> large(std::size_t(kTwiceWidth * kTwiceHeight * 3));
    resize_rgb(rgb.data(), kWidth, kHeight, kWidth * 3, large.data(), kTwiceWidth, kTwiceHeight);
    std::vector<uint8_t> pixels(large.size()), large_ids(large.size() / 3);
    for (std::size_t i = 0; i < large.size(); ++i) pixels[i] = uint8_t(std::lround(255 * large[i]));
    resize_ids(ids.data(), kWidth, kHeight, kWidth, large_ids.data(), kTwiceWidth, kTwiceHeight);
    const MaskView given{ids.data(), kWidth, kHeight},
        large_given{large_ids.data(), kTwiceWidth, kTwiceHeight};
    plain.step({rgb.data(), kWidth, kHeight}, t ? nullptr : &given);
    enlarged.step({rgb.data(), kWidth, kHeight}, t ? nullptr : &given);
    before.step({pixels.data(), kTwiceWidth, kTwiceHeight}, t ? nullptr : &large_given);
  }
  CHECK(enlarged.width() == kWidth);
  const std::vector<float> p = enlarged.probability(1), small = plain.probability(1),
                           large = before.probability(1);
  REQUIRE(p.size() == std::size_t(kWidth * kHeight));
  double to_small = 0, to_large = 0;
  for (int y = 0; y < kHeight; ++y)
    for (int x = 0; x < kWidth; ++x) {
      const std::size_t i = std::size_t(y * kWidth + x), j = std::size_t(2 * (y * kTwiceWidth + x));
      const float mean =
          (large[j] + large[j + 1] + large[j + kTwiceWidth] + large[j + kTwiceWidth + 1]) / 4;
      to_small += std::abs(p[i] - small[i]);
      to_large += std::abs(p[i] - mean);
    }
  CHECK(to_large < 0.1 * to_small);
}
