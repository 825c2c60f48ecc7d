// Overlays, cut-outs and COCO's run lengths.
#include "data/overlay.h"

#include <cmath>

#include "data/png.h"
#include "data/rle.h"
#include "data/sha256.h"
#include "tensor/error.h"
#include "tests/catch.h"
#include "tests/pictures.h"
#include "tests/support.h"

using namespace munet;

namespace {

Mask mask_of(int width, int height, const std::function<int(int x, int y)>& id) {
  Mask mask{width, height, {}, {}};
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) mask.ids.push_back(uint8_t(id(x, y)));
  return mask;
}

}  // namespace

TEST_CASE("overlay: colours inside, a contour one pixel wide, the rest untouched", "[overlay]") {
  const Image image{7, 5, pixels(7, 5, 3)};
  const Mask mask = mask_of(7, 5, [](int x, int y) { return x >= 2 && y >= 1 ? 3 : 0; });
  OverlayStyle style;
  style.opacity = 0.25;
  const Image out = overlay(image, mask, style);
  const std::vector<uint8_t> palette = safe_palette();
  for (int y = 0; y < 5; ++y)
    for (int x = 0; x < 7; ++x)
      for (int c = 0; c < 3; ++c) {
        const std::size_t i = std::size_t((y * 7 + x) * 3 + c);
        const bool inside = x >= 2 && y >= 1, edge = inside && (x == 2 || y == 1);
        const double weight = edge ? 1 : inside ? 0.25 : 0;
        const double expected = image.rgb[i] * (1 - weight) + palette[std::size_t(9 + c)] * weight;
        CHECK(std::abs(out.rgb[i] - expected) <= 1);
        if (!inside) CHECK(out.rgb[i] == image.rgb[i]);
      }
  style.contour = false;
  CHECK(overlay(image, mask, style).rgb != out.rgb);
  CHECK_THROWS_WITH(overlay(image, mask_of(5, 7, [](int, int) { return 0; })),
                    "overlay: expected a mask of the picture's size 7x5; given 5x7");
}

TEST_CASE("overlay: the palette has different colours, and none is black", "[overlay]") {
  const std::vector<uint8_t> palette = safe_palette();
  REQUIRE(palette.size() == 768);
  for (std::size_t a = 1; a <= 21; ++a)
    for (std::size_t b = 0; b < a; ++b) {
      int distance = 0;
      for (std::size_t c = 0; c < 3; ++c)
        distance += std::abs(palette[3 * a + c] - palette[3 * b + c]);
      INFO(a << " " << b);
      CHECK(distance > 40);
    }
}

TEST_CASE("cut_out: alpha and colours inside of objects only", "[overlay]") {
  const Image image{3, 2, pixels(3, 2, 3)};
  const std::vector<uint8_t> rgba = cut_out(image, {3, 2, {0, 1, 0, 9, 0, 0}, {}});
  for (std::size_t i = 0; i < 6; ++i)
    for (std::size_t c = 0; c < 4; ++c) {
      const bool inside = i == 1 || i == 3;
      CHECK(rgba[4 * i + c] == (inside ? c == 3 ? 255 : image.rgb[3 * i + c] : 0));
    }
  const TemporaryFolder folder;
  const std::vector<uint8_t> png = encode_png(3, 2, rgba, PngKind::rgba);
  spill(folder / "a.png", std::string(png.begin(), png.end()));
  const Image read = read_image(folder / "a.png");  // alpha is dropped
  CHECK(std::equal(read.rgb.begin() + 3, read.rgb.begin() + 6, image.rgb.begin() + 3));
  CHECK_THROWS_AS(encode_png(3, 2, rgba, PngKind::rgb), ShapeError);
}

TEST_CASE("png: grey of 8 and 16 bits", "[overlay]") {
  const TemporaryFolder folder;
  const auto store = [&](const std::vector<uint8_t>& png) {
    return spill(folder / "a.png", std::string(png.begin(), png.end()));
  };
  const std::vector<uint8_t> wide = {0, 0, 128, 0, 255, 255, 1, 200};
  const Image from16 = read_image(store(encode_png(2, 2, wide, PngKind::grey16)));
  CHECK(from16.rgb == std::vector<uint8_t>{0, 0, 0, 128, 128, 128, 255, 255, 255, 2, 2, 2});
  const Image from8 = read_image(store(encode_png(2, 1, {7, 250}, PngKind::grey8)));
  CHECK(from8.rgb == std::vector<uint8_t>{7, 7, 7, 250, 250, 250});
}

TEST_CASE("rle: the texts that pycocotools 2.0 gives", "[rle]") {
  const auto text = [](const Mask& mask) { return rle_text(encode_rle(mask).at(1).counts); };
  CHECK(text(mask_of(37, 23, [](int x, int y) { return (x * x + 3 * y * y + x * y) % 7 < 3; }))
            .starts_with("01600000K00030M030M030N0O030M030M032O100030M000O1NM030M030M01020M030M"
                         "030M000500000K00030M030M030N0O030M"));
  const Mask boxes = mask_of(37, 23, [](int x, int y) {
    const bool hole = y >= 8 && y < 10 && x >= 5 && x < 9;
    return y >= 5 && y < 19 && x >= 3 && x < 30 && !hole;
  });
  CHECK(text(boxes) == "Z2>900EI67JI67JI67JI6750000000000000000000000000000000000000000l4");
  const Rle rle = encode_rle(boxes).at(1);
  CHECK(rle.area == 370);
  CHECK(rle.x == 3);
  CHECK(rle.y == 5);
  CHECK(rle.width == 27);
  CHECK(rle.height == 14);
  CHECK(text(mask_of(37, 23, [](int, int) { return 1; })) == "0cj0");
}

TEST_CASE("rle: every object's runs give its pixels back", "[rle]") {
  const Mask mask =
      mask_of(31, 17, [](int x, int y) { return (x / 3 * 7 + y * y / 5 + x * y / 11) % 4 * 60; });
  const std::map<int, Rle> objects = encode_rle(mask);
  REQUIRE(objects.size() == 3);
  for (const auto& [id, rle] : objects) {
    const std::vector<uint32_t> counts = parse_rle(rle_text(rle.counts));
    CHECK(counts == rle.counts);
    std::vector<bool> column_major;
    for (std::size_t i = 0; i < counts.size(); ++i)
      column_major.insert(column_major.end(), counts[i], i % 2 == 1);
    REQUIRE(column_major.size() == mask.ids.size());
    int64_t area = 0;
    int right = 0, bottom = 0, left = 99, top = 99;
    for (int x = 0; x < 31; ++x)
      for (int y = 0; y < 17; ++y) {
        const bool inside = mask.ids[std::size_t(y * 31 + x)] == id;
        CHECK(column_major[std::size_t(x * 17 + y)] == inside);
        if (!inside) continue;
        ++area;
        left = std::min(left, x), right = std::max(right, x);
        top = std::min(top, y), bottom = std::max(bottom, y);
      }
    CHECK(rle.area == area);
    CHECK(std::vector<int>{rle.x, rle.y, rle.width, rle.height} ==
          std::vector<int>{left, top, right - left + 1, bottom - top + 1});
  }
  CHECK(encode_rle(mask_of(4, 3, [](int, int) { return 0; })).empty());
  CHECK_THROWS_AS(parse_rle("P"), Error);
  CHECK_THROWS_AS(parse_rle("\x10"), Error);
}

TEST_CASE("sha256: the standard's examples, and every way that the end can fall", "[sha256]") {
  const auto hash = [](const std::string& text) { return sha256({text.begin(), text.end()}); };
  CHECK(hash("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(hash("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(hash("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(hash(std::string(1000000, 'a')) ==
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}
