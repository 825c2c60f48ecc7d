// Trust: what it is made of, and which frames it sends the user to.
#include "munet/trust.h"

#include <algorithm>
#include <cmath>

#include "tensor/random.h"
#include "tests/catch.h"

using namespace munet;

namespace {

// One cell map with a block of ones.
Tensor block(int64_t h, int64_t w, int64_t top, int64_t left, int64_t size) {
  Tensor cells = Tensor::zeros({h, w});
  for (int64_t y = top; y < top + size; ++y)
    for (int64_t x = left; x < left + size; ++x) cells.data<float>()[y * w + x] = 1;
  return cells;
}

Tensor motion(int64_t h, int64_t w, float x, float y, float u) {
  Tensor matched = Tensor::empty({1, h, w, 3});
  for (int64_t i = 0; i < h * w; ++i) {
    float* m = matched.data<float>() + 3 * i;
    m[0] = x, m[1] = y, m[2] = u;
  }
  return matched;
}

}  // namespace

TEST_CASE("trust: agreement is of the mask moved along", "[trust]") {
  // 2x2 cells moved by (+3, -1) since the last frame: each pixel was at (-3, +1) before.
  const Tensor before = block(7, 9, 3, 1, 2), now = block(7, 9, 2, 4, 2);
  const TrustSigns right = motion_signs(motion(7, 9, -3, 1, 0.75f), before, now);
  CHECK(right.agreement == Approx(1));
  CHECK(right.matching == Approx(0.75));
  CHECK(motion_signs(motion(7, 9, 3, -1, 0.75f), before, now).agreement == Approx(0));
  CHECK(motion_signs(motion(7, 9, 0, 0, 0.75f), before, now).agreement == Approx(0));
  // Half a cell short: half of each column of two.
  CHECK(motion_signs(motion(7, 9, -2.5f, 1, 1), before, now).agreement == Approx(3.0 / 5));
  CHECK_THROWS_WITH(motion_signs(motion(7, 9, 0, 0, 0), before, block(9, 7, 0, 0, 1)),
                    "motion_signs: expected matched [1,h,w,3] and cells [h,w]; got [1, 7, 9, 3], "
                    "[7, 9] and [9, 7]");
}

TEST_CASE("trust: cells are means over 16 x 16 pixels", "[trust]") {
  Tensor masks = Tensor::zeros({2, 32, 48});
  for (int64_t i = 0; i < 64; ++i)
    masks.data<float>()[32 * 48 + (16 + i / 8) * 48 + 32 + i % 8] = 1;
  const Tensor none = mask_cells(masks, 0), one = mask_cells(masks, 1);
  REQUIRE(none.shape() == Shape({2, 3}));
  for (int64_t i = 0; i < 6; ++i) {
    CHECK(none.data<float>()[i] == 0);
    CHECK(one.data<float>()[i] == (i == 5 ? 0.25f : 0.0f));
  }
}

TEST_CASE("trust: a score of 0..1 that rises with certainty", "[trust]") {
  double last = -1;
  for (double certainty = 0; certainty <= 1; certainty += 0.125) {
    const double score = trust({certainty, 0.5, 0.5});
    CHECK((score >= 0 && score <= 1 && score >= last));
    last = score;
  }
  CHECK(trust({1, 1, 1}) > 0.9);
  CHECK(trust({0, 0, 0}) == 0);
}

TEST_CASE("frames_to_check: the beginnings of bad stretches, never what was given", "[trust]") {
  std::vector<double> trust(60, 0.9);
  for (std::size_t t = 20; t < 40; ++t) trust[t] = 0.2;
  CHECK(frames_to_check(trust, 1) == std::vector<std::size_t>{20});
  trust[20] = 1;  // its mask was given
  CHECK(frames_to_check(trust, 1) == std::vector<std::size_t>{21});
  trust[50] = 0.1;
  CHECK(frames_to_check(trust, 3).size() == 3);
  // Where all is a little wrong and one stretch is very wrong, that stretch comes first.
  std::vector<double> uneven(60, 0.85);
  for (std::size_t t = 30; t < 50; ++t) uneven[t] = 0.2;
  CHECK(frames_to_check(uneven, 1) == std::vector<std::size_t>{30});
  CHECK(frames_to_check(std::vector<double>(10, 1), 3).empty());
  CHECK(frames_to_check({}, 3).empty());
  CHECK(frames_to_check({1, 0.9, 0.5}, 3) == std::vector<std::size_t>{2});
}
