// J and F against DAVIS's official code (recorded) and against loops straight from the definitions.
#include "data/metrics.h"

#include <cmath>

#include "tests/catch.h"
#include "tests/made_up_masks.h"
#include "tests/support.h"

using namespace munet;

namespace {

using Pixels = std::vector<uint8_t>;

// The naive reference: one pixel at a time, distances measured.
struct Naive {
  int width, height;

  bool at(const Pixels& mask, int x, int y) const { return mask[std::size_t(y * width + x)]; }

  Pixels boundary(const Pixels& mask) const {
    Pixels out(mask.size());
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < width; ++x)
        for (const auto& [dx, dy] : {std::pair(1, 0), std::pair(0, 1), std::pair(1, 1)})
          if (x + dx < width && y + dy < height && at(mask, x, y) != at(mask, x + dx, y + dy))
            out[std::size_t(y * width + x)] = 1;
    return out;
  }

  Pixels dilate(const Pixels& mask, int radius) const {
    Pixels out(mask.size());
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < width; ++x)
        for (int v = 0; v < height; ++v)
          for (int u = 0; u < width; ++u)
            if ((x - u) * (x - u) + (y - v) * (y - v) <= radius * radius && at(mask, u, v))
              out[std::size_t(y * width + x)] = 1;
    return out;
  }

  // The share of a's pixels that are in b.
  static double share(const Pixels& a, const Pixels& b) {
    double in = 0, all = 0;
    for (std::size_t i = 0; i < a.size(); ++i) all += a[i], in += a[i] & b[i];
    return in / all;
  }

  double f(const Pixels& truth, const Pixels& result, int radius) const {
    const Pixels wanted = boundary(truth), found = boundary(result);
    const double p = share(found, dilate(wanted, radius)), r = share(wanted, dilate(found, radius));
    return p + r == 0 ? 0 : 2 * p * r / (p + r);
  }
};

Pixels unpacked(const Region& region) {
  Pixels out;
  for (int y = 0; y < region.height; ++y)
    for (int x = 0; x < region.width; ++x) out.push_back(region.row(y)[x / 64] >> x % 64 & 1);
  for (int y = 0; y < region.height; ++y)  // nothing beyond the width
    if (region.width % 64 != 0) CHECK(region.row(y)[region.width / 64] >> region.width % 64 == 0);
  return out;
}

}  // namespace

TEST_CASE("metrics: J and F are those of DAVIS's official code", "[data]") {
  const std::vector<std::string> lines = golden_lines("davis_frames.txt");
  REQUIRE(lines.size() == 28);
  for (const std::string& line : lines) {
    INFO(line);
    const std::vector<std::string> field = fields(line);
    REQUIRE(field.size() == 7);
    const int width = std::stoi(field[1]), height = std::stoi(field[2]);
    const Region truth = region_of(draw(width, height, field[3]), width, height, 1),
                 result = region_of(draw(width, height, field[4]), width, height, 1);
    CHECK(region_similarity(truth, result) == std::stod(field[5]));
    CHECK(boundary_accuracy(truth, result) == std::stod(field[6]));
  }
}

TEST_CASE("metrics: each step against the definition", "[data]") {
  // Widths around a word's end, and a radius beyond a word.
  const struct {
    int width, height, radius;
  } cases[] = {{63, 17, 2}, {64, 19, 1}, {65, 11, 3}, {131, 13, 5}, {200, 5, 70}, {7, 23, 9}};
  for (const auto& [width, height, radius] : cases) {
    INFO(width << "x" << height << ", radius " << radius);
    const Naive naive{width, height};
    const Pixels truth = draw(width, height, str("e ", width / 2, " 6 ", width / 3, " 5 n 3 9")),
                 result =
                     draw(width, height, str("e ", width / 2 + 1, " 7 ", width / 3, " 4 n 9 5"));
    const Region region = region_of(truth, width, height, 1),
                 other = region_of(result, width, height, 1);
    CHECK(unpacked(region) == truth);
    CHECK(unpacked(boundary(region)) == naive.boundary(truth));
    CHECK(unpacked(dilate(region, radius)) == naive.dilate(truth, radius));
    CHECK(unpacked(dilate(region, 0)) == truth);
    const int tolerance = boundary_tolerance(width, height);
    CHECK(boundary_accuracy(region, other) == naive.f(truth, result, tolerance));
    CHECK(boundary_accuracy(other, region) == naive.f(result, truth, tolerance));
  }
}

TEST_CASE("metrics: a region is the pixels of one id", "[data]") {
  const Region region = region_of({0, 7, 255, 7, 1, 0}, 3, 2, 7);
  CHECK(unpacked(region) == Pixels{0, 1, 0, 1, 0, 0});
  CHECK(unpacked(region_of({0, 7, 255, 7, 1, 0}, 3, 2, 255)) == Pixels{0, 0, 1, 0, 0, 0});
}

TEST_CASE("metrics: the tolerance is 0.008 of the diagonal, rounded up", "[data]") {
  CHECK(boundary_tolerance(854, 480) == 8);
  CHECK(boundary_tolerance(100, 75) == 1);
  CHECK(boundary_tolerance(101, 75) == 2);
  CHECK(boundary_tolerance(1920, 1080) == 18);
}

TEST_CASE(
    "metrics: mean, recall and decay are those of the official code below 256 frames, and go on",
    "[data]") {
  for (const std::string& line : golden_lines("davis_statistics.txt")) {
    INFO(line);
    std::istringstream words(line);
    int n = 0;
    std::string mean, recall, decay;
    words >> n >> mean >> recall >> decay;
    std::vector<double> values;
    for (int i = 0; i < n; ++i) values.push_back(((i * 37 + 11) % 101) / 101.0);
    const Statistics ours = statistics(values);
    CHECK(ours.mean == Approx(std::stod(mean)).epsilon(1e-14));
    CHECK(ours.recall == std::stod(recall));
    if (n < 256) CHECK(ours.decay == Approx(std::stod(decay)).margin(1e-14));
  }
  // Quarters of 1, 0.5, 0.5 and 0, which share the frames at their borders, here 100, 200 and 300.
  std::vector<double> long_values;
  for (int i = 0; i <= 400; ++i) long_values.push_back(i <= 100 ? 1 : i < 300 ? 0.5 : 0);
  CHECK(statistics(long_values).decay == 1);
  long_values[100] = 0;
  CHECK(statistics(long_values).decay == Approx(100.0 / 101).epsilon(1e-14));
  long_values[300] = 0.5;
  CHECK(statistics(long_values).decay == Approx(99.5 / 101).epsilon(1e-14));
  CHECK(statistics({0.5}).recall == 0);  // above, not at
}

TEST_CASE("metrics: wrong sizes", "[data]") {
  const Region a(3, 2), b(2, 3);
  CHECK_THROWS_WITH(region_of({1, 2, 3}, 2, 2, 1), "region_of: expected 2x2 ids; got 3");
  CHECK_THROWS_WITH(region_similarity(a, b),
                    "region_similarity: expected regions of one size; got 3x2 and 2x3");
  CHECK_THROWS_WITH(overlap(a, b), "overlap: expected regions of one size; got 3x2 and 2x3");
  CHECK_THROWS_WITH(boundary_accuracy(a, b),
                    "boundary_accuracy: expected regions of one size; got 3x2 and 2x3");
  CHECK_THROWS_WITH(statistics({}), "statistics: expected at least one frame; got none");
}
