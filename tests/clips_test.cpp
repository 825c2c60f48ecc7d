// Clips for training: that a seed fixes them, and the threads that make them.
#include "data/clips.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "tests/catch.h"
#include "tests/support.h"

using namespace munet;

namespace {

ClipOptions small() {
  ClipOptions options;
  options.clip_frames = 4;
  options.crop = 72;
  options.min_pixels = 50;
  return options;
}

bool same(const Clip& a, const Clip& b) {
  return a.name == b.name && a.objects == b.objects && a.frames.shape() == b.frames.shape() &&
         std::memcmp(a.frames.data<float>(), b.frames.data<float>(),
                     std::size_t(a.frames.numel()) * 4) == 0 &&
         a.masks.to_vector<uint8_t>() == b.masks.to_vector<uint8_t>();
}

// Throws for one index; the others hold their index.
struct Faulty : ClipSource {
  Clip clip(uint64_t index) const override {
    if (index == 3) throw Error("no clip 3");
    return {std::to_string(index), Tensor::full({1, 1, 1, 3}, double(index)),
            Tensor::zeros({1, 1, 1}, DType::u8), 1};
  }
  std::string fingerprint() const override { return ""; }
  std::string summary() const override { return ""; }
};

}  // namespace

TEST_CASE("toy clips: objects in the first frame, colours in range, motion", "[clips]") {
  const auto toy = toy_clips(small(), 7);
  std::set<int> counts;
  for (uint64_t index = 0; index < 30; ++index) {
    const Clip clip = toy->clip(index);
    REQUIRE(clip.frames.shape() == Shape{4, 72, 72, 3});
    REQUIRE(clip.masks.shape() == Shape{4, 72, 72});
    counts.insert(clip.objects);
    const std::vector<uint8_t> ids = clip.masks.to_vector<uint8_t>();
    std::vector<int> pixels(256);
    for (int i = 0; i < 72 * 72; ++i) ++pixels[ids[std::size_t(i)]];
    for (int id = 1; id <= clip.objects; ++id) CHECK(pixels[std::size_t(id)] >= 50);
    CHECK(*std::max_element(ids.begin(), ids.end()) == clip.objects);
    const std::vector<float> rgb = clip.frames.to_vector<float>();
    CHECK(std::all_of(rgb.begin(), rgb.end(), [](float v) { return v >= 0 && v <= 1; }));
    CHECK(std::memcmp(ids.data(), ids.data() + 72 * 72, 72 * 72) != 0);  // something moves
  }
  CHECK(counts == std::set<int>{1, 2, 3});
  CHECK(same(toy->clip(5), toy_clips(small(), 7)->clip(5)));
  CHECK_FALSE(same(toy->clip(5), toy->clip(6)));
  CHECK_FALSE(same(toy->clip(5), toy_clips(small(), 8)->clip(5)));
}

TEST_CASE("clip loader: the same clips for any number of threads and any start", "[clips]") {
  const auto toy = toy_clips(small(), 3);
  std::vector<Clip> expected;
  for (uint64_t index = 0; index < 12; ++index) expected.push_back(toy->clip(index));
  for (const int threads : {0, 1, 3})
    for (const uint64_t first : {0, 5}) {
      ClipLoader loader(*toy, threads, 4, first);
      for (uint64_t index = first; index < 12; ++index) {
        CHECK(loader.position() == index);
        CHECK(same(loader.next(), expected[index]));
      }
      CHECK(loader.seconds_waited() >= 0);
    }
}

TEST_CASE("clip loader: a failure comes at its turn, and leaving early is no trouble", "[clips]") {
  const Faulty source;
  for (const int threads : {0, 2}) {
    ClipLoader loader(source, threads, 3);
    for (int i = 0; i < 3; ++i) CHECK(loader.next().name == std::to_string(i));
    CHECK_THROWS_WITH(loader.next(), "no clip 3");
    CHECK(loader.next().name == "4");
  }
  CHECK_THROWS_WITH(ClipLoader(source, -1, 3),
                    "clip loader: expected 0..256 threads and a depth of at least 1; given -1 and "
                    "3");
}

TEST_CASE("clip options: each key has a range", "[clips]") {
  ClipOptions options;
  check_clip_options(options);
  options.flip = 1.5;
  CHECK_THROWS_WITH(check_clip_options(options), "clips: expected flip between 0 and 1; given 1.5");
  options.flip = 0;
  options.resize_low = 2;
  CHECK_THROWS_WITH(check_clip_options(options),
                    "clips: expected resize_low <= resize_high; given 2 and 1.5");
  int keys = 0;
  for_clip_keys(options, [&](const char*, auto&) { ++keys; });
  CHECK(keys == 27);
}
