// Inspector: the maps of a pair of frames, by what must be true of any weights.
#include "munet/inspect.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "tensor/error.h"
#include "tensor/random.h"
#include "tests/catch.h"
#include "tests/model_support.h"
#include "tests/support.h"

using namespace munet;

namespace {

constexpr int kWidth = 144, kHeight = 112;

// Coloured noise that goes dx to the right and dy down.
std::vector<uint8_t> noise(int dx, int dy) {
  std::vector<uint8_t> rgb;
  for (int y = 0; y < kHeight; ++y)
    for (int x = 0; x < kWidth; ++x)
      for (int c = 0; c < 3; ++c) {
        const int at = ((y - dy + 64) * 512 + x - dx + 64) * 3 + c;
        rgb.push_back(uint8_t(256 * random_uniform(5, uint64_t(at))));
      }
  return rgb;
}

struct Pair {
  TemporaryFolder folder;
  Config config = preset("munet18");
  std::vector<uint8_t> before = noise(0, 0), now = noise(16, -32);
  FrameView first{before.data(), kWidth, kHeight, 0}, second{now.data(), kWidth, kHeight, 0};
  Inspector inspector() const { return Inspector(write_checkpoint(folder.path.string(), config)); }
};

}  // namespace

TEST_CASE("inspect: every map has the frame's size and its range", "[inspect]") {
  const Pair pair;
  Inspector inspector = pair.inspector();
  const PairMaps maps = inspector.look(pair.first, pair.second);
  for (const PixelMap* map :
       {&maps.displacement, &maps.confidence, &maps.attention, &maps.energy}) {
    CHECK((map->width == kWidth && map->height == kHeight));
    CHECK(map->values.size() == std::size_t(kWidth * kHeight * map->channels));
    for (const float v : map->values) REQUIRE(std::isfinite(v));
  }
  CHECK(maps.displacement.channels == 2);
  for (const float u : maps.confidence.values) REQUIRE(std::abs(u) <= 1.0001f);
  for (const float a : maps.attention.values) REQUIRE((a >= 0 && a <= 1));
  for (const float d : maps.displacement.values) REQUIRE(std::abs(d) <= 12 * 16);
  for (const float e : maps.energy.values) REQUIRE(e >= 0);
}

TEST_CASE("inspect: the best cost lies where the pixel was", "[inspect]") {
  const Pair pair;
  Inspector inspector = pair.inspector();
  inspector.look(pair.first, pair.second);
  const int x = 75, y = 40;
  const SearchWindow window = inspector.window(x, y);
  REQUIRE(window.side == 25);
  REQUIRE(window.cost.size() == 625);
  CHECK(window.cell == 16);
  const int best =
      int(std::max_element(window.cost.begin(), window.cost.end()) - window.cost.begin());
  // The picture went 16 to the right and 32 up: it was one cell to the left and two down.
  CHECK(best % 25 == 12 - 1);
  CHECK(best / 25 == 12 + 2);
  const double left = window.left + best % 25 * window.cell,
               top = window.top + best / 25 * window.cell;
  CHECK((x - 16 >= left && x - 16 < left + 16));
  CHECK((y + 32 >= top && y + 32 < top + 16));
}

TEST_CASE("inspect: attention of each object of the mask", "[inspect]") {
  const Pair pair;
  Inspector inspector = pair.inspector();
  inspector.look(pair.first, pair.second);
  std::vector<uint8_t> ids(kWidth * kHeight);
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = i % 5 == 0 ? 9 : i % 7 == 0 ? 2 : 0;
  ids[3] = 255;
  const auto attention = inspector.attention({ids.data(), kWidth, kHeight, 0}, 75, 40);
  REQUIRE(attention.size() == 2);
  CHECK((attention[0].id == 2 && attention[1].id == 9));
  for (const auto& object : attention) {
    const std::vector<float>& weight = object.weight.values;
    REQUIRE(weight.size() == ids.size());
    // A mean over pixels, so a 256th of the sum over cells, but for the edges' interpolation.
    CHECK(std::accumulate(weight.begin(), weight.end(), 0.0) / 256 == Approx(1).epsilon(0.1));
  }
}

TEST_CASE("inspect: a model without motion, and what cannot be asked", "[inspect]") {
  Pair pair;
  SECTION("no MU-Layer") {
    pair.config.motion = "none";
    Inspector inspector = pair.inspector();
    const PairMaps maps = inspector.look(pair.first, pair.second);
    CHECK_FALSE(inspector.has_motion());
    CHECK((maps.displacement.empty() && maps.confidence.empty() && maps.attention.empty()));
    CHECK_FALSE(maps.energy.empty());
    CHECK_THROWS_WITH(inspector.window(1, 1),
                      "inspect: expected a model with a MU-Layer and two frames; its key motion is "
                      "none");
  }
  SECTION("fusion by addition has no attention") {
    pair.config.fusion = "add";
    CHECK(pair.inspector().look(pair.first, pair.second).attention.empty());
  }
  SECTION("errors") {
    Inspector inspector = pair.inspector();
    CHECK_THROWS_WITH(inspector.window(1, 1),
                      "inspect: expected a model with a MU-Layer and two frames; there are no "
                      "frames yet");
    const FrameView other{pair.now.data(), kHeight, kWidth, 0};
    CHECK_THROWS_WITH(inspector.look(pair.first, other),
                      "inspect: expected two frames of one size; given 144x112 and 112x144");
    inspector.look(pair.first, pair.second);
    CHECK_THROWS_WITH(inspector.window(144, 0),
                      "inspect: expected a pixel of the frame, 144x112; given 144,0");
    const std::vector<uint8_t> ids(9);
    CHECK_THROWS_WITH(inspector.attention({ids.data(), 3, 3, 0}, 1, 1),
                      "inspect: expected a mask of the frame's size 144x112; given 3x3");
  }
}
