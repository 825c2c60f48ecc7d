// PNG files by libpng: as pictures, and as maps of small numbers (masks).
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "data/image.h"

namespace munet {

// bytes: a PNG file; path: for messages only. Contract and errors of read_image (image.h).
Image decode_png_rgb(const std::vector<uint8_t>& bytes, const std::filesystem::path& path);

// Whether a PNG file's first bytes say that it has 8-bit red, green and blue, with or without
// alpha; and its colours with alpha, 255 where the file has none. Errors as above.
bool is_rgb_png(const std::vector<uint8_t>& bytes);
struct PngColors {
  int width = 0, height = 0;
  std::vector<uint8_t> rgba;  // [height, width, 4]
};
PngColors decode_png_rgba(const std::vector<uint8_t>& bytes, const std::filesystem::path& path);

// The numbers as the file stores them, one byte per pixel: palette indices or grey values.
struct PngSamples {
  int width = 0, height = 0;
  int white = 255;               // grey: the largest value of the bit depth: 1, 3, 15 or 255
  std::vector<uint8_t> values;   // [height, width]
  std::vector<uint8_t> palette;  // RGB triples; empty for a grey PNG
};

// Palette and grey PNGs of 1 to 8 bits, with or without alpha (which is dropped). FileError as
// above, and for RGB or 16-bit PNGs: what was found and how to mend it.
PngSamples decode_png_samples(const std::vector<uint8_t>& bytes, const std::filesystem::path& path);

// A PNG file of 8-bit RGB pixels [height, width, 3], or, with a palette (RGB triples, at most 256),
// of palette indices [height, width], each below palette.size() / 3.
std::vector<uint8_t> encode_png(int width, int height, const std::vector<uint8_t>& pixels,
                                const std::vector<uint8_t>& palette = {});

// The same for other kinds: 1 byte per pixel (palette, grey8), 3 or 4 (rgb, rgba: alpha last, not
// multiplied in), and 2 or 6 (grey16, rgb16) with the high one of each sample first.
enum class PngKind { palette, grey8, grey16, rgb, rgba, rgb16 };
std::vector<uint8_t> encode_png(int width, int height, const std::vector<uint8_t>& pixels,
                                PngKind kind, const std::vector<uint8_t>& palette = {});

}  // namespace munet
