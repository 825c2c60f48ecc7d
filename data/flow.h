// Maps of numbers made visible, and displacements in the file formats of optical flow.
#pragma once

#include <cstdint>
#include <vector>

#include "data/image.h"

namespace munet {

// One number per pixel.
struct ScalarMap {
  int width = 0, height = 0;
  std::vector<float> values;  // [height, width]
};

// One displacement per pixel: x to the right, y down, in pixels.
struct Flow {
  int width = 0, height = 0;
  std::vector<float> xy;  // [height, width, 2]
};

// The colour wheel of Middlebury (Baker et al., IJCV 2011): hue is direction (right red, down
// yellow, left cyan, up violet), white is no motion, full colour is a displacement of
// `full` pixels (> 0), and longer ones are darker.
Image color_wheel(const Flow& flow, double full);
// The wheel as a legend: a disc of this diameter on white, whose rim is `full`.
Image color_wheel_legend(int diameter);

// Values from `low` to `high` as colours from black over purple, red and orange to light yellow,
// brighter all the way, so that it also reads in grey. Beyond the range: its ends.
Image heat_map(const ScalarMap& map, double low, double high);
Image grey_map(const ScalarMap& map, double low, double high);  // black to white

// Another size by the triangle filter of tensor/image_resize.h, rounded to 8 bits.
Image reduced(const Image& image, int width, int height);

// (1 - opacity) * under + opacity * over. ShapeError unless both have one size.
Image blend(const Image& under, const Image& over, double opacity);

// Middlebury's .flo: "PIEH", width, height, then x and y of every pixel as little-endian floats.
std::vector<uint8_t> encode_flo(const Flow& flow);

// KITTI's 16-bit RGB PNG: 64 x + 32768, 64 y + 32768, and 1 where both fit (|x|, |y| < 512), else
// three zeros: no value.
std::vector<uint8_t> encode_kitti_flow(const Flow& flow);

}  // namespace munet
