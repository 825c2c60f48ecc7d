// Tells the format by the first bytes. BMP, PNM and TGA go to stb_image.
#include "data/image.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include "data/file.h"
#include "data/jpeg.h"
#include "data/png.h"
#include "tensor/error.h"

#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_BMP
#define STBI_ONLY_PNM
#define STBI_ONLY_TGA
#define STBI_NO_STDIO
#define STBI_MAX_DIMENSIONS 32768
#include <stb/stb_image.h>

namespace munet {
namespace {

// Bytes for stb_image that notice when it asks for more than there is: it would go on with zeros.
struct Source {
  const std::vector<uint8_t>& bytes;
  std::size_t at = 0;
  bool short_read = false;

  // stb_image fills its buffer of kBuffer bytes with whatever comes, but expects any other request
  // to be answered in full.
  static int read(void* user, char* to, int n) {
    constexpr int kBuffer = sizeof(stbi__context::buffer_start);
    auto& source = *static_cast<Source*>(user);
    const int got = int(std::min(std::size_t(n), source.bytes.size() - source.at));
    if (got == 0 || (got < n && n != kBuffer)) source.short_read = true;
    if (got > 0) std::memcpy(to, source.bytes.data() + source.at, std::size_t(got));
    source.at += std::size_t(got);
    return got;
  }
  static void skip(void* user, int n) {
    auto& source = *static_cast<Source*>(user);
    const int64_t to = int64_t(source.at) + n;
    source.at = std::size_t(std::clamp<int64_t>(to, 0, int64_t(source.bytes.size())));
  }
  static int at_end(void* user) {
    const auto& source = *static_cast<Source*>(user);
    return source.at == source.bytes.size();
  }
};

Image decode_by_stb(const std::vector<uint8_t>& bytes, const std::filesystem::path& path,
                    const char* format) {
  const stbi_io_callbacks callbacks{Source::read, Source::skip, Source::at_end};
  const auto damaged = [&](const char* why) {
    throw FileError(str("read_image: ", path.string(), ": expected a whole ", format, "; found \"",
                        why, "\"; the file is truncated, damaged or of a rare kind"));
  };
  int width = 0, height = 0, channels = 0;
  Source header{bytes};
  if (!stbi_info_from_callbacks(&callbacks, &header, &width, &height, &channels))
    damaged(stbi_failure_reason());
  check_picture_size("read_image", path, width, height);
  Source source{bytes};
  const std::unique_ptr<stbi_uc, decltype(&stbi_image_free)> pixels(
      stbi_load_from_callbacks(&callbacks, &source, &width, &height, &channels, 3),
      stbi_image_free);
  if (!pixels) damaged(stbi_failure_reason());
  if (source.short_read) damaged("premature end of file");
  Image image{width, height, {}};
  image.rgb.assign(pixels.get(), pixels.get() + std::size_t(width) * std::size_t(height) * 3);
  return image;
}

bool starts(const std::vector<uint8_t>& bytes, std::string_view magic, std::size_t at = 0) {
  return bytes.size() >= at + magic.size() &&
         std::memcmp(bytes.data() + at, magic.data(), magic.size()) == 0;
}

// What a file that is none of ours looks like, for the error text.
const char* other_kind(const std::vector<uint8_t>& bytes) {
  if (bytes.empty()) return "an empty file";
  if (starts(bytes, "GIF8")) return "a GIF";
  if (starts(bytes, "RIFF") && starts(bytes, "WEBP", 8)) return "a WebP picture";
  if (starts(bytes, "RIFF") && starts(bytes, "AVI ", 8)) return "a video (AVI)";
  if (starts(bytes, std::string_view("II*\0", 4)) || starts(bytes, std::string_view("MM\0*", 4)))
    return "a TIFF";
  if (starts(bytes, "ftypavif", 4) || starts(bytes, "ftyphei", 4)) return "an AVIF or HEIC picture";
  if (starts(bytes, "ftyp", 4)) return "a video (MP4)";
  if (starts(bytes, "\x1a\x45\xdf\xa3")) return "a video (Matroska)";
  return "something else";
}

bool is_jpeg(const std::vector<uint8_t>& bytes) { return starts(bytes, "\xff\xd8"); }

// The mean of two by two pixels; an odd last row or column is left out.
Image halve(const Image& image) {
  Image out{image.width / 2, image.height / 2, {}};
  out.rgb.resize(std::size_t(out.width) * std::size_t(out.height) * 3);
  const std::size_t row = std::size_t(image.width) * 3;
  uint8_t* to = out.rgb.data();
  for (int y = 0; y < out.height; ++y) {
    const uint8_t* from = image.rgb.data() + 2 * std::size_t(y) * row;
    for (int x = 0; x < out.width; ++x, from += 6)
      for (int c = 0; c < 3; ++c)
        *to++ = uint8_t((from[c] + from[c + 3] + from[row + std::size_t(c)] +
                         from[row + std::size_t(c) + 3] + 2) /
                        4);
  }
  return out;
}

Image decode_image(const std::vector<uint8_t>& bytes, const std::filesystem::path& path) {
  if (is_jpeg(bytes)) return decode_jpeg(bytes, path);
  if (starts(bytes, "\x89PNG\r\n\x1a\n")) return decode_png_rgb(bytes, path);
  if (starts(bytes, "BM")) return decode_by_stb(bytes, path, "BMP");
  if (starts(bytes, "P5") || starts(bytes, "P6")) return decode_by_stb(bytes, path, "PNM");
  // TGA has no signature: its header has to make sense.
  Source source{bytes};
  const stbi_io_callbacks callbacks{Source::read, Source::skip, Source::at_end};
  int width, height, channels;
  if (bytes.size() > 18 &&
      stbi_info_from_callbacks(&callbacks, &source, &width, &height, &channels))
    return decode_by_stb(bytes, path, "TGA");
  throw FileError(str("read_image: ", path.string(),
                      ": expected a JPEG, PNG, BMP, binary PNM or TGA picture; found ",
                      other_kind(bytes)));
}

}  // namespace

void check_picture_size(const char* op, const std::filesystem::path& path, int64_t width,
                        int64_t height) {
  check<FileError>(width >= 1 && height >= 1 && width <= kMaxSide && height <= kMaxSide &&
                       width * height <= kMaxPixels,
                   op, ": ", path.string(), ": expected sides of 1..", kMaxSide,
                   " pixels and at most ", kMaxPixels / 1'000'000, " megapixels; found ", width,
                   "x", height);
}

Image read_image(const std::filesystem::path& path) {
  return decode_image(read_file("read_image", path), path);
}

ScaledImage read_image_scaled(const std::filesystem::path& path, double scale) {
  const std::vector<uint8_t> bytes = read_file("read_image", path);
  if (is_jpeg(bytes)) return decode_jpeg_scaled(bytes, path, scale);
  ScaledImage out{decode_image(bytes, path), 0, 0};
  out.width = out.image.width;
  out.height = out.image.height;
  while (out.image.width / 2 >= std::max(1.0, scale * out.width) &&
         out.image.height / 2 >= std::max(1.0, scale * out.height))
    out.image = halve(out.image);
  return out;
}

void write_png_rgb(const std::filesystem::path& path, const Image& image) {
  write_file("write_png_rgb", path, encode_png(image.width, image.height, image.rgb));
}

}  // namespace munet
