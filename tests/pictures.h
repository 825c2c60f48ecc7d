// Made-up picture files for tests: PNGs of every kind, written by libpng itself.
#pragma once

#include <png.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "tests/support.h"

// The picture of tests/golden/record_pillow.py: [height, width, channels].
inline std::vector<uint8_t> pixels(int width, int height, int channels) {
  std::vector<uint8_t> out;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < channels; ++c)
        out.push_back(uint8_t((x * 37 + y * 101 + c * 59 + x * y * 7) % 256));
  return out;
}

struct PngOptions {
  int depth = 8, color = PNG_COLOR_TYPE_RGB;
  bool interlaced = false;
  std::vector<png_color> palette = {};
};

// samples: [height, width, channels], one element per sample, below 2^depth.
inline void make_png(const std::filesystem::path& path, int width, int height,
                     const std::vector<uint16_t>& samples, const PngOptions& options) {
  std::FILE* file = std::fopen(path.c_str(), "wb");
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  png_init_io(png, file);
  png_set_IHDR(png, info, png_uint_32(width), png_uint_32(height), options.depth, options.color,
               options.interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  if (!options.palette.empty())
    png_set_PLTE(png, info, options.palette.data(), int(options.palette.size()));
  png_write_info(png, info);
  if (options.depth < 8) png_set_packing(png);
  std::vector<uint8_t> bytes;
  for (const uint16_t sample : samples) {
    if (options.depth == 16) bytes.push_back(uint8_t(sample >> 8));
    bytes.push_back(uint8_t(sample));
  }
  const std::size_t row = bytes.size() / std::size_t(height);
  std::vector<png_bytep> rows;
  for (int y = 0; y < height; ++y) rows.push_back(bytes.data() + std::size_t(y) * row);
  png_write_image(png, rows.data());
  png_write_end(png, nullptr);
  png_destroy_write_struct(&png, &info);
  std::fclose(file);
}

inline std::string slurp(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline std::filesystem::path spill(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
  return path;
}

// The text of the FileError that f throws; "" if it throws none.
inline std::string file_error(const std::function<void()>& f) {
  return text_of<munet::FileError>(f);
}
