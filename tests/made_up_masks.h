// The masks of tests/golden/record_davis.py, from the same words.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "data/mask.h"
#include "tests/support.h"

// [height, width] of 0 and 1: e(llipse) cx cy rx ry and r(ectangle) left top right bottom set
// pixels, h(ole) cx cy rx ry clears an ellipse, n(oise) seed density toggles density of 256 pixels.
inline std::vector<uint8_t> draw(int width, int height, const std::string& shapes) {
  std::vector<uint8_t> mask(std::size_t(width) * std::size_t(height));
  std::istringstream words(shapes);
  for (char kind; words >> kind;) {
    int64_t a = 0, b = 0, c = 0, d = 0;
    words >> a >> b;
    if (kind != 'n') words >> c >> d;
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < width; ++x) {
        uint8_t& pixel = mask[std::size_t(y) * std::size_t(width) + std::size_t(x)];
        const int64_t ellipse = (x - a) * (x - a) * d * d + (y - b) * (y - b) * c * c;
        if (kind == 'n')
          pixel ^= uint32_t(uint64_t(x * 7919 + y * 104729 + a * 31) * 2654435761) >> 24 < b;
        else if (kind == 'r' ? x >= a && y >= b && x <= c && y <= d : ellipse <= c * c * d * d)
          pixel = kind != 'h';
      }
  }
  return mask;
}

// The fields of a line that semicolons separate.
inline std::vector<std::string> fields(const std::string& line) {
  std::vector<std::string> out(1);
  for (const char c : line)
    if (c == ';')
      out.emplace_back();
    else
      out.back() += c;
  return out;
}

// The lines of a recorded file.
inline std::vector<std::string> golden_lines(const std::string& name) {
  std::ifstream in(source_dir() / "tests/golden" / name);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}
