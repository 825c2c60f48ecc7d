// Pictures in and out, and their change of size: against Pillow's recorded answers, against plain
// loops, and with every kind of damage.
#include "data/image.h"

#include <cmath>
#include <fstream>
#include <vector>

#include "data/file.h"
#include "tensor/image_resize.h"
#include "tests/catch.h"
#include "tests/pictures.h"
#include "tests/support.h"

using namespace munet;

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

TEST_CASE("image: JPEGs decode to Pillow's numbers, bit for bit", "[image]") {
  const std::filesystem::path golden = source_dir() / "tests/golden";
  for (const std::string name : {"420", "422", "grey", "turned"}) {  // 422 is progressive
    INFO(name);
    const Image jpeg = read_image(golden / ("jpeg_" + name + ".jpg"));
    const Image png = read_image(golden / ("jpeg_" + name + ".png"));
    CHECK(jpeg.width == (name == "turned" ? 37 : 45));
    CHECK(jpeg.height == (name == "turned" ? 45 : 37));
    CHECK(jpeg.rgb == png.rgb);
  }
  const std::filesystem::path cmyk = golden / "jpeg_cmyk.jpg";
  CHECK(file_error([&] { read_image(cmyk); }) ==
        "read_image: " + cmyk.string() +
            ": expected an RGB or grey JPEG; found a CMYK one (for print); convert it to RGB");
}

TEST_CASE("image: each EXIF orientation", "[image]") {
  // The recorded file is stored upright but marked 6; its other seven turns follow by their names.
  const TemporaryFolder folder;
  std::string bytes = slurp(source_dir() / "tests/golden/jpeg_turned.jpg");
  const std::size_t tag = bytes.find(std::string("\x01\x12\x00\x03", 4));
  REQUIRE(tag != std::string::npos);
  const auto read = [&](int orientation) {
    bytes[tag + 9] = char(orientation);
    return read_image(spill(folder / "a.jpg", bytes));
  };
  const Image stored = read(1);
  const int w = stored.width, h = stored.height;
  // Where stored pixel (x, y) goes.
  const std::vector<std::function<std::pair<int, int>(int, int)>> to = {
      [&](int x, int y) { return std::pair(x, y); },
      [&](int x, int y) { return std::pair(w - 1 - x, y); },          // 2: mirrored
      [&](int x, int y) { return std::pair(w - 1 - x, h - 1 - y); },  // 3: half a turn
      [&](int x, int y) { return std::pair(x, h - 1 - y); },          // 4: upside down
      [&](int x, int y) { return std::pair(y, x); },                  // 5: transposed
      [&](int x, int y) { return std::pair(h - 1 - y, x); },          // 6: a quarter clockwise
      [&](int x, int y) { return std::pair(h - 1 - y, w - 1 - x); },  // 7: the other diagonal
      [&](int x, int y) { return std::pair(y, w - 1 - x); }};         // 8: a quarter back
  for (int orientation = 1; orientation <= 8; ++orientation) {
    INFO(orientation);
    const Image seen = read(orientation);
    REQUIRE(seen.width == (orientation < 5 ? w : h));
    int wrong = 0;
    for (int y = 0; y < h; ++y)
      for (int x = 0; x < w; ++x) {
        const auto [ox, oy] = to[std::size_t(orientation - 1)](x, y);
        for (int c = 0; c < 3; ++c)
          wrong += stored.rgb[std::size_t((y * w + x) * 3 + c)] !=
                   seen.rgb[std::size_t((oy * seen.width + ox) * 3 + c)];
      }
    CHECK(wrong == 0);
  }
  CHECK(read(0).rgb == stored.rgb);  // not orientations
  CHECK(read(9).rgb == stored.rgb);
  // The same directory as a little-endian camera writes it.
  bytes.replace(tag - 10, 20, "II*\0\x8\0\0\0\1\0\x12\1\3\0\1\0\0\0\x6\0", 20);
  CHECK(read_image(spill(folder / "a.jpg", bytes)).width == h);
}

TEST_CASE("image: every kind of PNG becomes 8-bit RGB", "[image]") {
  const TemporaryFolder folder;
  const std::filesystem::path path = folder / "a.png";
  const int w = 13, h = 7;
  const std::vector<png_color> palette = {{1, 2, 3}, {40, 50, 60}, {7, 80, 9}, {255, 0, 128}};
  for (const bool interlaced : {false, true})
    for (const auto& [color, channels] : {std::pair(PNG_COLOR_TYPE_GRAY, 1),
                                          {PNG_COLOR_TYPE_RGB, 3},
                                          {PNG_COLOR_TYPE_PALETTE, 1},
                                          {PNG_COLOR_TYPE_GRAY_ALPHA, 2},
                                          {PNG_COLOR_TYPE_RGB_ALPHA, 4}})
      for (const int depth : {1, 2, 4, 8, 16}) {
        if (depth < 8 && channels > 1) continue;
        if (depth == 16 && color == PNG_COLOR_TYPE_PALETTE) continue;
        INFO("colour type " << color << ", " << depth << " bits, interlaced " << interlaced);
        const bool indexed = color == PNG_COLOR_TYPE_PALETTE;
        const uint32_t most = indexed ? uint32_t(std::min(3, (1 << depth) - 1)) : (1u << depth) - 1;
        std::vector<uint16_t> samples;
        for (uint32_t i = 0; i < uint32_t(w * h * channels); ++i)
          samples.push_back(uint16_t(i * 7919u % (most + 1)));
        make_png(path, w, h, samples,
                 {depth, color, interlaced,
                  indexed ? std::vector(palette.begin(), palette.begin() + int(most) + 1)
                          : std::vector<png_color>{}});
        const Image image = read_image(path);
        REQUIRE(image.width == w);
        REQUIRE(image.height == h);
        int wrong = 0;
        for (int i = 0; i < w * h; ++i)
          for (int c = 0; c < 3; ++c) {
            const int channel = channels >= 3 ? c : 0;
            const uint16_t sample = samples[std::size_t(i * channels + channel)];
            const png_color entry = indexed ? palette[sample] : png_color{};
            const int expected = indexed ? (c == 0   ? entry.red
                                            : c == 1 ? entry.green
                                                     : entry.blue)
                                         : int(std::lround(sample * 255.0 / most));
            wrong += image.rgb[std::size_t(i * 3 + c)] != expected;
          }
        CHECK(wrong == 0);
      }
}

namespace {

// Small files of the formats that stb_image reads, holding pixels(5, 3, 3).
std::vector<std::pair<std::string, std::string>> simple_files() {
  const std::vector<uint8_t> rgb = pixels(5, 3, 3);
  std::string ppm = "P6\n5 3\n255\n",
              bmp("BM\x66\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\5\0\0\0\3\0\0\0\1\0\x18\0", 30),
              tga("\0\0\2\0\0\0\0\0\0\0\0\0\5\0\3\0\x18\x20", 18);
  bmp.resize(54, 0);
  for (const uint8_t value : rgb) ppm += char(value);
  for (int y = 0; y < 3; ++y)
    for (int x = 0; x < 5; ++x)
      for (int c = 2; c >= 0; --c) {  // both store blue first; BMP from the bottom up
        tga += char(rgb[std::size_t((y * 5 + x) * 3 + c)]);
        bmp += char(rgb[std::size_t(((2 - y) * 5 + x) * 3 + c)]);
        if (x == 4 && c == 0) bmp += '\0';  // rows are multiples of 4 bytes
      }
  return {{"PNM", ppm}, {"BMP", bmp}, {"TGA", tga}};
}

}  // namespace

TEST_CASE("image: BMP, PNM and TGA, whatever their name", "[image]") {
  const TemporaryFolder folder;
  for (const auto& [format, bytes] : simple_files()) {
    INFO(format);
    const Image image = read_image(spill(folder / "misnamed.jpg", bytes));
    CHECK(image.width == 5);
    CHECK(image.height == 3);
    CHECK(image.rgb == pixels(5, 3, 3));
    for (std::size_t size = 0; size + (format == "BMP") < bytes.size(); ++size) {
      INFO(size);
      CHECK(file_error([&] { read_image(spill(folder / "cut", bytes.substr(0, size))); }) != "");
    }
  }
}

TEST_CASE("image: truncated and damaged files are errors that say so", "[image]") {
  const TemporaryFolder folder;
  const std::filesystem::path path = folder / "a";
  for (const std::string name :
       {"jpeg_420.jpg", "jpeg_422.jpg", "jpeg_grey.jpg", "jpeg_420.png", "jpeg_grey.png"}) {
    const std::string whole = slurp(source_dir() / "tests/golden" / name);
    const bool png = name.ends_with("png");
    const std::string kind = png ? "PNG" : "JPEG";
    REQUIRE(whole.size() > 500);
    for (std::size_t size = 8; size < whole.size(); size += 97 - 90 * (size % 2)) {
      INFO(name << " cut to " << size << " of " << whole.size() << " bytes");
      const std::string text = file_error([&] { read_image(spill(path, whole.substr(0, size))); });
      CHECK(text.starts_with("read_image: " + path.string() + ": expected a whole " + kind +
                             "; found \""));
      CHECK(text.ends_with("\"; the file is truncated or damaged"));
    }
    const Image original = read_image(source_dir() / "tests/golden" / name);
    for (std::size_t at = 2; at < whole.size(); at += 13) {
      INFO(name << " with byte " << at << " changed");
      std::string damaged = whole;
      damaged[at] = char(damaged[at] ^ 0x55);
      Image image;
      const std::string text = file_error([&] { image = read_image(spill(path, damaged)); });
      // PNG has checksums: an error, always. JPEG has none: an error or some picture.
      if (png) CHECK(text != "");
      CHECK((!text.empty() || image.rgb.size() == std::size_t(image.width * image.height * 3)));
    }
  }
}

TEST_CASE("image: what is not a picture", "[image]") {
  const TemporaryFolder folder;
  const std::filesystem::path path = folder / "a.png";
  const std::string start = "read_image: " + path.string() +
                            ": expected a JPEG, PNG, BMP, binary PNM or TGA picture; found ";
  for (const auto& [bytes, found] : std::vector<std::pair<std::string, std::string>>{
           {"", "an empty file"},
           {"hello, this is a text file of some length", "something else"},
           {"GIF89a...", "a GIF"},
           {"RIFF1234WEBPVP8 ", "a WebP picture"},
           {"RIFF1234AVI LIST", "a video (AVI)"},
           {std::string("II*\0abc", 7), "a TIFF"},
           {std::string("\0\0\0 ftypavif", 12), "an AVIF or HEIC picture"},
           {std::string("\0\0\0 ftypisom", 12), "a video (MP4)"},
           {"\x1a\x45\xdf\xa3xyz", "a video (Matroska)"}})
    CHECK(file_error([&] { read_image(spill(path, bytes)); }) == start + found);
  const std::filesystem::path nowhere = folder / "nowhere.png";
  CHECK(file_error([&] { read_image(nowhere); }) ==
        "read_image: cannot read " + nowhere.string() + ": No such file or directory");
  CHECK(file_error([&] { read_image(folder.path); }) ==
        "read_image: cannot read " + folder.path.string() + ": it is a folder");
}

TEST_CASE("image: sizes beyond the limits are refused before any memory is taken", "[image]") {
  const TemporaryFolder folder;
  const std::filesystem::path path = folder / "a";
  const std::string expected =
      "read_image: " + path.string() +
      ": expected sides of 1..32768 pixels and at most 200 megapixels; found ";
  make_png(path, 32769, 1, std::vector<uint16_t>(32769), {8, PNG_COLOR_TYPE_GRAY});
  CHECK(file_error([&] { read_image(path); }) == expected + "32769x1");
  std::string jpeg = slurp(source_dir() / "tests/golden/jpeg_420.jpg");
  const std::size_t frame = jpeg.find("\xff\xc0");
  REQUIRE(frame != std::string::npos);
  jpeg.replace(frame + 5, 4, "\x50\x00\x40\x00", 4);  // height 20480, width 16384
  CHECK(file_error([&] { read_image(spill(path, jpeg)); }) == expected + "16384x20480");
  CHECK(file_error([&] { read_image(spill(path, "P6 40000 2 255\n")); }) != "");
  CHECK(file_error([&] { read_image(spill(path, "P6 20000 20000 255\n")); }) ==
        expected + "20000x20000");
}

TEST_CASE("image: write_png_rgb and read_image are inverse", "[image]") {
  const TemporaryFolder folder;
  const Image image{13, 7, pixels(13, 7, 3)};
  write_png_rgb(folder / "a.png", image);
  CHECK(read_image(folder / "a.png").rgb == image.rgb);
  CHECK_THROWS_WITH(write_png_rgb(folder / "b.png", {13, 8, image.rgb}),
                    "encode_png: expected 312 bytes for 13x8; given 273");
  CHECK(!std::filesystem::exists(folder / "b.png"));
}

TEST_CASE("file: a failed write leaves nothing behind", "[file]") {
  const TemporaryFolder folder;
  const std::filesystem::path nowhere = folder / "no/a.png";
  CHECK(file_error([&] { write_file("op", nowhere, {1}); }) ==
        "op: cannot write " + nowhere.string() + ": No such file or directory");
  std::filesystem::create_directory(folder / "taken");
  spill(folder / "taken/x", "");
  CHECK(file_error([&] { write_file("op", folder / "taken", {1}); }) ==  // cannot be replaced
        "op: cannot write " + (folder / "taken").string() + ": Is a directory");
  CHECK(!std::filesystem::exists(folder / "taken.part"));
  if (!std::filesystem::exists("/dev/full")) return skip("no /dev/full");
  std::filesystem::create_symlink("/dev/full", folder / "full.part");
  CHECK(file_error([&] {
          write_file("op", folder / "full", {1, 2, 3});
        }) == "op: cannot write " + (folder / "full").string() + ": No space left on device");
  CHECK(!std::filesystem::exists(std::filesystem::symlink_status(folder / "full.part")));
  write_file("op", folder / "good", {'o', 'k'});
  CHECK(slurp(folder / "good") == "ok");
  CHECK(file_error([&] { read_file("op", folder / "good", 1); }) ==
        "op: cannot read " + (folder / "good").string() + ": it has 2 bytes, the limit is 1");
}
