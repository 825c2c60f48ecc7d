// Masks made visible: colours over the picture, or the objects cut out of it.
#pragma once

#include <cstdint>
#include <vector>

#include "data/image.h"
#include "data/mask.h"

namespace munet {

// 256 RGB triples that people with colour-blindness tell apart: the seven colours of Okabe and Ito
// (2008) for ids 1..7, then lighter and darker ones of them, again and again. Entry 0 is black.
std::vector<uint8_t> safe_palette();

struct OverlayStyle {
  double opacity = 0.5;  // of the colours inside of an object, 0..1
  bool contour = true;   // one pixel wide, in the full colour, inside of the object
  std::vector<uint8_t> palette = safe_palette();
};

// The picture under its mask. ShapeError unless both have one size.
Image overlay(const Image& image, const Mask& mask, const OverlayStyle& style = {});

// The objects alone: RGBA [height, width, 4], alpha 255 inside of any object, and 0 (with black)
// elsewhere. ShapeError as above.
std::vector<uint8_t> cut_out(const Image& image, const Mask& mask);

}  // namespace munet
