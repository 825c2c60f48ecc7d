// Pictures from files and back: 8-bit RGB, whatever the file holds.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

namespace munet {

struct Image {
  int width = 0, height = 0;  // pixels
  std::vector<uint8_t> rgb;   // [height, width, 3]
};

inline constexpr int kMaxSide = 32768;              // pixels
inline constexpr int64_t kMaxPixels = 200'000'000;  // of one picture

// Reads a JPEG (the same numbers as libjpeg-turbo's default and Pillow; turned as its EXIF
// orientation says), a PNG of any kind (16 bits are rounded to 8, alpha is dropped), a BMP, a
// binary PNM or a TGA. The format is told by the content, never by the name. FileError (path, what
// was found, a hint) if the file cannot be read, is of another kind, truncated, damaged, wider or
// higher than kMaxSide or larger than kMaxPixels.
Image read_image(const std::filesystem::path& path);

// A picture that may have been made smaller while reading.
struct ScaledImage {
  Image image;
  int width = 0, height = 0;  // of the picture in the file, pixels
};

// read_image for whoever needs only `scale` (0..1) of both sides: JPEGs are decoded at half, a
// quarter or an eighth of their size where that is enough, others halved afterwards.
ScaledImage read_image_scaled(const std::filesystem::path& path, double scale);

// FileError unless both sides are 1..kMaxSide and there are at most kMaxPixels.
void check_picture_size(const char* op, const std::filesystem::path& path, int64_t width,
                        int64_t height);

// Writes an 8-bit RGB PNG under a temporary name and renames it. ShapeError unless rgb has
// width * height * 3 bytes; FileError if it cannot be written.
void write_png_rgb(const std::filesystem::path& path, const Image& image);

}  // namespace munet
