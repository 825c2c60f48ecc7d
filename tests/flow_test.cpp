// Colour wheel, heat maps, and the formats of optical flow.
#include "data/flow.h"

#include <png.h>

#include <cstring>

#include "data/file.h"
#include "data/jpeg.h"
#include "tests/catch.h"
#include "tests/pictures.h"
#include "tests/support.h"

using namespace munet;

namespace {

std::vector<int> color(const Image& image, int i) {
  return {image.rgb[std::size_t(3 * i)], image.rgb[std::size_t(3 * i + 1)],
          image.rgb[std::size_t(3 * i + 2)]};
}

// A PNG's 16-bit samples as they are in the file.
std::vector<int> samples16(const std::filesystem::path& path, int& channels) {
  std::FILE* file = std::fopen(path.c_str(), "rb");
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  png_init_io(png, file);
  png_read_png(png, info, PNG_TRANSFORM_IDENTITY, nullptr);
  REQUIRE(png_get_bit_depth(png, info) == 16);
  channels = png_get_channels(png, info);
  const std::size_t row = png_get_rowbytes(png, info);
  std::vector<int> samples;
  for (png_uint_32 y = 0; y < png_get_image_height(png, info); ++y)
    for (std::size_t i = 0; i < row; i += 2)
      samples.push_back(png_get_rows(png, info)[y][i] << 8 | png_get_rows(png, info)[y][i + 1]);
  png_destroy_read_struct(&png, &info, nullptr);
  std::fclose(file);
  return samples;
}

}  // namespace

TEST_CASE("color_wheel: hue is direction, white is none, darker is beyond", "[flow]") {
  // None, right, down, left, up, half to the right, twice as long as full to the right.
  const Flow flow{7, 1, {0, 0, 8, 0, 0, 8, -8, 0, 0, -8, 4, 0, 16, 0}};
  const Image image = color_wheel(flow, 8);
  CHECK(color(image, 0) == std::vector{255, 255, 255});
  CHECK(color(image, 1) == std::vector{255, 0, 0});
  const std::vector<int> down = color(image, 2), left = color(image, 3), up = color(image, 4);
  CHECK((down[0] > 200 && down[1] > 200 && down[2] == 0));           // yellow
  CHECK((left[0] == 0 && left[1] > 150 && left[2] > 200));           // cyan
  CHECK((up[0] > 60 && up[0] < 140 && up[1] == 0 && up[2] == 255));  // violet
  CHECK(color(image, 5) == std::vector{255, 128, 128});
  CHECK(color(image, 6) == std::vector{191, 0, 0});

  const Image legend = color_wheel_legend(21);
  CHECK(color(legend, 0) == std::vector{255, 255, 255});  // outside of the disc
  const std::vector<int> right = color(legend, 10 * 21 + 20);
  CHECK((right[0] > 240 && right[1] < 30 && right[2] < 30));
}

TEST_CASE("heat_map: brighter all the way; grey_map; what is out of range", "[flow]") {
  ScalarMap map{101, 1, {}};
  for (int i = 0; i <= 100; ++i) map.values.push_back(float(i) / 100 * 3 - 1);
  const Image heat = heat_map(map, -1, 2);
  double before = -1;
  for (int i = 0; i <= 100; ++i) {
    const std::vector<int> c = color(heat, i);
    const double luma = 0.299 * c[0] + 0.587 * c[1] + 0.114 * c[2];
    CHECK(luma > before - 0.5);
    before = luma;
  }
  CHECK(color(heat, 0) == std::vector{0, 0, 4});
  CHECK(color(heat, 100) == std::vector{252, 255, 164});
  const Image grey = grey_map({4, 1, {-9, 0, 1, 9}}, 0, 2);
  CHECK(color(grey, 0) == std::vector{0, 0, 0});
  CHECK(color(grey, 2) == std::vector{128, 128, 128});
  CHECK(color(grey, 3) == std::vector{255, 255, 255});
}

TEST_CASE("blend: between two pictures of one size", "[flow]") {
  const Image dark{2, 1, {0, 10, 20, 30, 40, 50}}, light{2, 1, {100, 110, 120, 130, 140, 150}};
  CHECK(blend(dark, light, 0).rgb == dark.rgb);
  CHECK(blend(dark, light, 1).rgb == light.rgb);
  CHECK(blend(dark, light, 0.25).rgb == std::vector<uint8_t>{25, 35, 45, 55, 65, 75});
  CHECK_THROWS_WITH(blend(dark, {1, 2, std::vector<uint8_t>(6)}, 0.5),
                    "blend: expected pictures of one size; given 2x1 and 1x2");
}

TEST_CASE("encode_flo: Middlebury's bytes", "[flow]") {
  const Flow flow{2, 1, {1.5f, -2, 0, 300.25f}};
  const std::vector<uint8_t> bytes = encode_flo(flow);
  REQUIRE(bytes.size() == 12 + 16);
  float magic = 0, values[4];
  int size[2];
  std::memcpy(&magic, bytes.data(), 4);
  std::memcpy(size, bytes.data() + 4, 8);
  std::memcpy(values, bytes.data() + 12, 16);
  CHECK(magic == 202021.25f);
  CHECK((size[0] == 2 && size[1] == 1));
  CHECK(std::vector<float>(values, values + 4) == flow.xy);
}

TEST_CASE("encode_kitti_flow: 64 steps a pixel, and which pixels hold one", "[flow]") {
  const TemporaryFolder folder;
  const Flow flow{3, 1, {1.5f, -2, 0, 300.25f, 600, 0}};
  write_file("test", folder / "flow.png", encode_kitti_flow(flow));
  int channels = 0;
  const std::vector<int> samples = samples16(folder / "flow.png", channels);
  CHECK(channels == 3);
  CHECK(samples == std::vector{32768 + 96, 32768 - 128, 1, 32768, 32768 + 19216, 1, 0, 0, 0});
}

TEST_CASE("encode_jpeg: reads back nearly the same", "[flow]") {
  Image image{37, 23, {}};
  for (int y = 0; y < 23; ++y)
    for (int x = 0; x < 37; ++x)
      for (const int value : {x * 6, y * 10, 120}) image.rgb.push_back(uint8_t(value));
  const Image back = decode_jpeg(encode_jpeg(image, 95), "made up");
  REQUIRE((back.width == 37 && back.height == 23));
  double difference = 0;
  for (std::size_t i = 0; i < image.rgb.size(); ++i)
    difference += std::abs(image.rgb[i] - back.rgb[i]) / double(image.rgb.size());
  CHECK(difference < 3);
  CHECK(encode_jpeg(image, 30).size() < encode_jpeg(image, 95).size());
  CHECK_THROWS_WITH(encode_jpeg({2, 2, {0}}, 90),
                    "encode_jpeg: expected 2x2 RGB pixels; given 1 bytes");
}
