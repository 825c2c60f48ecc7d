// Pictures and masks seen through one affine map: all of a clip's geometry in one step, all of its
// colours in another, one pass over the pixels of the result.
//
// Coordinates are pixels with (0, 0) at the upper left corner of the upper left pixel, so they
// scale with the size of the picture: pixel (x, y) has its centre at (x + 1/2, y + 1/2).
#pragma once

#include <array>
#include <cstdint>

#include "data/image.h"
#include "data/mask.h"

namespace munet {

// (x, y) -> (xx x + xy y + x0, yx x + yy y + y0).
struct Affine {
  double xx = 1, xy = 0, x0 = 0, yx = 0, yy = 1, y0 = 0;

  std::array<double, 2> operator()(double x, double y) const {
    return {xx * x + xy * y + x0, yx * x + yy * y + y0};
  }
  static Affine shift(double x, double y) { return {1, 0, x, 0, 1, y}; }
  static Affine scale(double x, double y) { return {x, 0, 0, 0, y, 0}; }
  static Affine rotate(double radians);
  static Affine shear(double radians);  // x moves by tan(radians) y
};
Affine operator*(const Affine& a, const Affine& b);  // a after b
Affine inverse(const Affine& a);                     // Error if it has none

// rgb -> clamp(rows of [r, g, b, 1]), 0..1 each.
struct ColorMap {
  float rows[3][4] = {{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}};
};
ColorMap operator*(const ColorMap& a, const ColorMap& b);  // a after b

// Brightness, contrast, saturation (factors, 1 = none, in this order; contrast about `mean`, a grey
// value 0..1) and hue (turns of the colour circle, in YIQ's plane of colours, 0 = none).
ColorMap color_map(double brightness, double contrast, double saturation, double hue, double mean);

// The grey value (0..1) of the picture on average, from about a thousand pixels.
double mean_grey(const Image& image);

// Draws the picture into a square of side x side pixels: rgb [side, side, 3] 0..1, bilinear, and
// ids [side, side], the nearest. to_source: from the square's coordinates to those of the picture
// in its file. What lies outside gets ImageNet's mean colour and id 0.
void warp(const ScaledImage& picture, const Mask& mask, const Affine& to_source,
          const ColorMap& colors, int side, float* rgb, uint8_t* ids);
void warp_ids(const Mask& mask, const Affine& to_source, int side, uint8_t* ids);

// Draws only object `id`, with soft edges, over what is there already, and labels its pixels
// `label` where at least half of it shows. behind: only where ids has 0.
void paste(const ScaledImage& picture, const Mask& mask, int id, const Affine& to_source,
           const ColorMap& colors, int side, uint8_t label, bool behind, float* rgb, uint8_t* ids);

}  // namespace munet
