// Integer arithmetic on 8-bit colours.
#include "data/overlay.h"

#include <algorithm>
#include <cmath>

#include "tensor/error.h"

namespace munet {
namespace {

void check_sizes(const char* op, const Image& image, const Mask& mask) {
  check<ShapeError>(image.width == mask.width && image.height == mask.height, op,
                    ": expected a mask of the picture's size ", image.width, "x", image.height,
                    "; given ", mask.width, "x", mask.height);
}

// Whether one of the four neighbours belongs to something else. The picture's edge is no contour.
bool on_contour(const Mask& mask, int x, int y) {
  const uint8_t* id = mask.ids.data() + std::ptrdiff_t(y) * mask.width + x;
  return (x > 0 && id[-1] != *id) || (x + 1 < mask.width && id[1] != *id) ||
         (y > 0 && id[-mask.width] != *id) || (y + 1 < mask.height && id[mask.width] != *id);
}

}  // namespace

std::vector<uint8_t> safe_palette() {
  // Orange, sky blue, bluish green, reddish purple, yellow, blue, vermillion.
  constexpr int kCount = 7;
  constexpr uint8_t kColors[kCount][3] = {{230, 159, 0},   {86, 180, 233}, {0, 158, 115},
                                          {204, 121, 167}, {240, 228, 66}, {0, 114, 178},
                                          {213, 94, 0}};
  std::vector<uint8_t> palette(768);
  for (int id = 1; id < 256; ++id)
    for (int c = 0; c < 3; ++c) {
      const int color = kColors[(id - 1) % kCount][c], shade = (id - 1) / kCount % 3;
      palette[std::size_t(3 * id + c)] = uint8_t(shade == 0   ? color
                                                 : shade == 1 ? 128 + color / 2
                                                              : color * 5 / 9);
    }
  return palette;
}

Image overlay(const Image& image, const Mask& mask, const OverlayStyle& style) {
  check_sizes("overlay", image, mask);
  Image out = image;
  const int opacity = int(std::lround(std::clamp(style.opacity, 0.0, 1.0) * 256));
  for (int y = 0; y < mask.height; ++y)
    for (int x = 0; x < mask.width; ++x) {
      const std::size_t i = std::size_t(y) * std::size_t(mask.width) + std::size_t(x);
      const std::size_t color = 3 * std::size_t(mask.ids[i]);
      if (color == 0 || color + 3 > style.palette.size()) continue;
      const int strength = style.contour && on_contour(mask, x, y) ? 256 : opacity;
      for (std::size_t c = 0; c < 3; ++c) {
        uint8_t& pixel = out.rgb[3 * i + c];
        pixel = uint8_t((pixel * (256 - strength) + style.palette[color + c] * strength) / 256);
      }
    }
  return out;
}

std::vector<uint8_t> cut_out(const Image& image, const Mask& mask) {
  check_sizes("cut_out", image, mask);
  std::vector<uint8_t> rgba(mask.ids.size() * 4);
  for (std::size_t i = 0; i < mask.ids.size(); ++i) {
    if (mask.ids[i] == 0) continue;
    std::copy_n(image.rgb.data() + 3 * i, 3, rgba.data() + 4 * i);
    rgba[4 * i + 3] = 255;
  }
  return rgba;
}

}  // namespace munet
