// tensor/image_resize against Pillow's recorded answers and a plain loop.
#include "tensor/image_resize.h"

#include <cmath>
#include <fstream>
#include <vector>

#include "tests/catch.h"
#include "tests/support.h"

using namespace munet;

namespace {

// The picture of tests/golden/record_pillow.py.
std::vector<uint8_t> pixels(int width, int height, int channels) {
  std::vector<uint8_t> out;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < channels; ++c)
        out.push_back(uint8_t((x * 37 + y * 101 + c * 59 + x * y * 7) % 256));
  return out;
}

}  // namespace

TEST_CASE("resize: equal to Pillow's recorded answers", "[resize]") {
  std::ifstream golden(source_dir() / "tests/golden/pillow_resize.txt");
  int cases = 0;
  for (int w, h, ow, oh; golden >> w >> h >> ow >> oh; ++cases) {
    INFO(w << "x" << h << " -> " << ow << "x" << oh);
    const std::vector<uint8_t> rgb = pixels(w, h, 3), ids = pixels(w, h, 1);
    std::vector<float> image(std::size_t(ow * oh * 3));
    resize_rgb(rgb.data(), w, h, w * 3, image.data(), ow, oh);
    double worst = 0, expected;
    for (const float value : image)
      if (golden >> expected) worst = std::max(worst, std::abs(value * 255 - expected));
    CHECK(worst < 1e-4);  // of 255: both are f32, summed in another order
    std::vector<uint8_t> nearest(std::size_t(ow * oh));
    resize_ids(ids.data(), w, h, w, nearest.data(), ow, oh);
    int wrong = 0, id;
    for (const uint8_t value : nearest) wrong += !(golden >> id) || id != value;
    CHECK(wrong == 0);
    REQUIRE(golden);
  }
  CHECK(cases == 5);
}

TEST_CASE("resize: the triangle filter, written as its definition", "[resize]") {
  const int w = 41, h = 29, ow = 17, oh = 37;  // shrinks one way, grows the other
  const std::ptrdiff_t stride = w * 3 + 5;     // rows with something between them
  std::vector<uint8_t> rgb(std::size_t(stride * h), 255);
  const std::vector<uint8_t> dense = pixels(w, h, 3);
  for (int y = 0; y < h; ++y)
    std::copy_n(&dense[std::size_t(y * w * 3)], w * 3, &rgb[std::size_t(y * stride)]);
  std::vector<float> out(std::size_t(ow * oh * 3));
  resize_rgb(rgb.data(), w, h, stride, out.data(), ow, oh);
  const auto weight = [](int in, int n, int o, int i) {  // not yet normalised
    const double scale = double(in) / n, wide = std::max(1.0, scale);
    return std::max(0.0, 1 - std::abs((i + 0.5) - (o + 0.5) * scale) / wide);
  };
  double worst = 0;
  for (int y = 0; y < oh; ++y)
    for (int x = 0; x < ow; ++x)
      for (int c = 0; c < 3; ++c) {
        double sum = 0, total = 0;
        for (int i = 0; i < h; ++i)
          for (int j = 0; j < w; ++j) {
            const double v = weight(h, oh, y, i) * weight(w, ow, x, j);
            total += v;
            sum += v * dense[std::size_t((i * w + j) * 3 + c)];
          }
        worst =
            std::max(worst, std::abs(sum / total / 255 - out[std::size_t((y * ow + x) * 3 + c)]));
      }
  CHECK(worst < 1e-6);
}

TEST_CASE("resize: the same size changes nothing; sizes below 1 are errors", "[resize]") {
  const std::vector<uint8_t> rgb = pixels(13, 7, 3);
  std::vector<float> out(rgb.size());
  resize_rgb(rgb.data(), 13, 7, 39, out.data(), 13, 7);
  for (std::size_t i = 0; i < rgb.size(); ++i) REQUIRE(out[i] == float(rgb[i]) / 255);
  uint8_t id = 0;
  CHECK_THROWS_WITH(resize_rgb(rgb.data(), 13, 7, 39, out.data(), 0, 7),
                    "resize_rgb: sizes must be at least 1; given 13x7 -> 0x7");
  CHECK_THROWS_WITH(resize_ids(rgb.data(), 13, 0, 39, &id, 1, 1),
                    "resize_ids: sizes must be at least 1; given 13x0 -> 1x1");
}
