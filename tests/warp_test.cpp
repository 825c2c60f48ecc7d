// Geometry and colours of clips against plain statements of what they are.
#include "data/augment.h"
#include "data/scene.h"
#include "tests/catch.h"
#include "tests/training_trees.h"

using namespace munet;

namespace {

constexpr float kMean[3] = {0.485f, 0.456f, 0.406f};

ScaledImage picture(const Image& image) { return {image, image.width, image.height}; }

struct Drawn {
  std::vector<float> rgb;
  std::vector<uint8_t> ids;
};

Drawn draw(const Image& image, const Mask& mask, const Affine& to_source, int side,
           const ColorMap& colors = {}) {
  Drawn out{std::vector<float>(std::size_t(side * side * 3)),
            std::vector<uint8_t>(std::size_t(side * side))};
  warp(picture(image), mask, to_source, colors, side, out.rgb.data(), out.ids.data());
  return out;
}

double farthest(const Affine& a, const Affine& b, double size) {
  double far = 0;
  for (const double x : {0.0, size})
    for (const double y : {0.0, size}) {
      const auto p = a(x, y), q = b(x, y);
      far = std::max(far, std::hypot(p[0] - q[0], p[1] - q[1]));
    }
  return far;
}

}  // namespace

TEST_CASE("affine maps: product and inverse", "[warp]") {
  const Affine a =
      Affine::shift(3, -2) * Affine::rotate(0.4) * Affine::scale(-2, 1.5) * Affine::shear(0.3);
  CHECK(farthest(inverse(a) * a, Affine(), 100) < 1e-10);
  const auto p = (Affine::rotate(1.5707963267948966) * Affine::shift(2, 0))(1, 0);
  CHECK(p[0] == Approx(0).margin(1e-12));
  CHECK(p[1] == Approx(3));
  CHECK_THROWS_WITH(inverse(Affine::scale(1, 0)),
                    "affine: expected a map that can be inverted; its determinant is 0");
}

TEST_CASE("warp: identity, shift, half pixels, outside", "[warp]") {
  const Image image = waves(40, 40, 1);
  const Mask mask = boxes(40, 40, {{3, {5, 6, 10, 12}}});
  const Drawn same = draw(image, mask, {}, 40);
  CHECK(same.ids == mask.ids);
  for (std::size_t i = 0; i < same.rgb.size(); ++i)
    REQUIRE(same.rgb[i] == Approx(image.rgb[i] / 255.0f).margin(1e-6));

  const Drawn shifted = draw(image, mask, Affine::shift(7.5, -4), 40);
  for (int y = 0; y < 40; ++y)
    for (int x = 0; x < 40; ++x)
      for (int c = 0; c < 3; ++c) {
        const float got = shifted.rgb[std::size_t((y * 40 + x) * 3 + c)];
        if (x + 8 >= 40 || y < 4) {
          if (x + 8 > 40 || y < 4) REQUIRE(got == kMean[c]);
          continue;
        }
        const auto at = [&](int column) {
          return image.rgb[std::size_t(((y - 4) * 40 + column) * 3 + c)] / 255.0;
        };
        REQUIRE(got == Approx((at(x + 7) + at(x + 8)) / 2).margin(1e-5));
      }
  for (int y = 0; y < 40; ++y)
    for (int x = 0; x < 40; ++x) {
      const bool in = x + 8 >= 5 && x + 8 < 15 && y - 4 >= 6 && y - 4 < 18;
      REQUIRE(shifted.ids[std::size_t(y * 40 + x)] == (in ? 3 : 0));
    }
}

TEST_CASE("warp: a picture decoded smaller stays in place", "[warp]") {
  const Image image = waves(160, 120, 2);
  const Mask mask = boxes(160, 120, {{1, {30, 30, 60, 50}}});
  const std::vector<uint8_t> jpeg = encode_jpeg(image, 95);
  const ScaledImage half = decode_jpeg_scaled(jpeg, "a.jpg", 0.5);
  CHECK(half.image.width == 80);
  CHECK(half.width == 160);
  const Affine to_source = Affine::shift(20, 10) * Affine::scale(2, 2) * Affine::rotate(0.1);
  const Drawn whole = draw(image, mask, to_source, 48);
  Drawn small = whole;
  warp(half, mask, to_source, {}, 48, small.rgb.data(), small.ids.data());
  CHECK(small.ids == whole.ids);
  double sum = 0;
  for (std::size_t i = 0; i < whole.rgb.size(); ++i)
    sum += std::abs(small.rgb[i] - whole.rgb[i]) / double(whole.rgb.size());
  CHECK(sum < 0.02);  // half a pixel off gives 0.04
  CHECK(decode_jpeg_scaled(jpeg, "a.jpg", 0.51).image.width == 160);
  CHECK(decode_jpeg_scaled(jpeg, "a.jpg", 0.1).image.width == 20);
}

TEST_CASE("colours: each factor does what it says", "[warp]") {
  const auto apply = [](const ColorMap& map, std::array<float, 3> rgb) {
    const Image one{1, 1, {uint8_t(rgb[0]), uint8_t(rgb[1]), uint8_t(rgb[2])}};
    const Drawn out = draw(one, boxes(1, 1, {}), {}, 1, map);
    return std::array<double, 3>{out.rgb[0] * 255, out.rgb[1] * 255, out.rgb[2] * 255};
  };
  const auto near = [](std::array<double, 3> got, std::array<double, 3> want, double margin) {
    for (std::size_t c = 0; c < 3; ++c) CHECK(got[c] == Approx(want[c]).margin(margin));
  };
  near(apply(color_map(1.2, 1, 1, 0, 0.4), {100, 50, 10}), {120, 60, 12}, 1e-3);
  near(apply(color_map(2, 1, 1, 0, 0.4), {200, 50, 10}), {255, 100, 20}, 1e-3);
  near(apply(color_map(1, 0.5, 1, 0, 0.4), {202, 52, 102}), {152, 77, 102}, 1e-3);
  const double grey = 0.299 * 200 + 0.587 * 100 + 0.114 * 50;
  near(apply(color_map(1, 1, 0, 0, 0.4), {200, 100, 50}), {grey, grey, grey}, 1e-3);
  near(apply(color_map(1, 1, 0.5, 0, 0.4), {200, 100, 50}),
       {(200 + grey) / 2, (100 + grey) / 2, (50 + grey) / 2}, 1e-3);
  near(apply(color_map(1, 1, 1, 1e-9, 0.4), {200, 100, 50}), {200, 100, 50}, 0.5);
  near(apply(color_map(1, 1, 1, 0.3, 0.4), {90, 90, 90}), {90, 90, 90}, 0.5);  // grey stays
  // A third of the circle: what was red is green.
  const std::array<double, 3> turned = apply(color_map(1, 1, 1, -1.0 / 3, 0.4), {150, 60, 60});
  CHECK(turned[1] > turned[0] + 30);
  CHECK(turned[1] > turned[2] + 30);
}

TEST_CASE("paste: soft edges, labels, behind and in front", "[warp]") {
  const Image image = waves(60, 60, 3);
  const Mask mask = boxes(60, 60, {{2, {20, 20, 20, 20}}, {5, {45, 45, 10, 10}}});
  for (const bool behind : {false, true}) {
    const int side = 40;
    std::vector<float> rgb(side * side * 3, 0.25f);
    std::vector<uint8_t> ids(side * side, 0);
    for (int i = 0; i < side * 12; ++i) ids[std::size_t(i)] = 1;  // the upper 12 rows
    const Affine to_source = Affine::shift(10.25, 10);
    paste(picture(image), mask, 2, to_source, {}, side, 9, behind, rgb.data(), ids.data());
    for (int y = 0; y < side; ++y)
      for (int x = 0; x < side; ++x) {
        const std::size_t i = std::size_t(y * side + x);
        const double left = std::clamp(x + 1.25 - 10, 0.0, 1.0),
                     right = std::clamp(30 - (x + 0.25), 0.0, 1.0);
        const bool row = y >= 10 && y < 30 && !(behind && y < 12);
        const bool in = row && std::min(left, right) >= 0.5;
        CHECK(int(ids[i]) == (in ? 9 : y < 12 ? 1 : 0));
        if (!row || left == 0 || right == 0) CHECK(rgb[3 * i] == 0.25f);
        if (row && x == 12)
          CHECK(rgb[3 * i] == Approx((0.75 * image.rgb[std::size_t(((y + 10) * 60 + 22) * 3)] +
                                      0.25 * image.rgb[std::size_t(((y + 10) * 60 + 23) * 3)]) /
                                     255)
                                  .margin(1e-4));
      }
  }
}

TEST_CASE("paths: the first frame stays, steps are bounded, reach is as the keys say", "[warp]") {
  ClipOptions options;
  options.clip_frames = 8;
  options.crop = 256;
  options.still_max_step = 20;
  options.still_shift = 0.2;
  Rng rng{11, 0};
  for (int round = 0; round < 50; ++round) {
    const std::vector<Affine> still = still_path(options, rng), video = video_path(options, rng);
    REQUIRE(still.size() == 8);
    CHECK(farthest(still[0], {}, 256) == 0);
    CHECK(farthest(video[0], {}, 256) == 0);
    for (std::size_t t = 1; t < 8; ++t) CHECK(farthest(still[t - 1], still[t], 256) <= 20);
    // 3 degrees of turn, 2 of shear, 1 % of scale and 2 % of shift, at 181 pixels from the centre.
    for (const Affine& step : video)
      CHECK(farthest(step, {}, 256) < 181 * (0.053 + 0.036 + 0.011) + 8);
  }
  options.frame_share = 0;
  for (const Affine& step : video_path(options, rng)) CHECK(farthest(step, {}, 256) < 1e-9);
}

TEST_CASE("crops hold the point and stay in the picture", "[warp]") {
  ClipOptions options;
  options.rotate = options.shear = options.translate = options.scale = options.flip = 0;
  options.crop = 100;
  Rng rng{5, 0};
  for (int round = 0; round < 200; ++round) {
    const double x = rng.uniform(0, 300), y = rng.uniform(0, 200);
    const Affine to_crop = draw_crop(options, 300, 200, x, y, rng);
    const double zoom = zoom_of(to_crop);
    CHECK(zoom >= 0.5);
    CHECK(zoom <= 0.75);
    const auto p = to_crop(x, y);
    for (const double at : p) CHECK((at >= -1e-9 && at <= 100 + 1e-9));
    const auto corner = inverse(to_crop)(0, 0), other = inverse(to_crop)(100, 100);
    CHECK((corner[0] >= -1e-9 && corner[1] >= -1e-9));
    CHECK((other[0] <= 300 + 1e-9 && other[1] <= 200 + 1e-9));
  }
}
