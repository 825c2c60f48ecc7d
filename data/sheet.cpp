#include "data/sheet.h"

#include <algorithm>

#include "data/overlay.h"
#include "tensor/error.h"
#include "tensor/image_resize.h"

namespace munet {
namespace {

// Frame t of a clip, cell x cell, under its mask.
Image draw_cell(const Clip& clip, int t, int cell) {
  const int height = int(clip.frames.dim(1)), width = int(clip.frames.dim(2));
  const auto pixels = std::size_t(height) * std::size_t(width);
  std::vector<uint8_t> rgb(pixels * 3);
  const float* from = clip.frames.data<float>() + std::size_t(t) * pixels * 3;
  for (std::size_t i = 0; i < rgb.size(); ++i)
    rgb[i] = uint8_t(std::clamp(from[i], 0.0f, 1.0f) * 255 + 0.5f);
  const auto square = std::size_t(cell) * std::size_t(cell);
  std::vector<float> small(square * 3);
  resize_rgb(rgb.data(), width, height, std::ptrdiff_t(width) * 3, small.data(), cell, cell);
  Image image{cell, cell, std::vector<uint8_t>(square * 3)};
  for (std::size_t i = 0; i < small.size(); ++i) image.rgb[i] = uint8_t(small[i] * 255 + 0.5f);
  Mask mask{cell, cell, std::vector<uint8_t>(square), {}};
  resize_ids(clip.masks.data<uint8_t>() + std::size_t(t) * pixels, width, height, width,
             mask.ids.data(), cell, cell);
  return overlay(image, mask, {.opacity = 0.4, .contour = true, .palette = safe_palette()});
}

}  // namespace

Image clip_sheet(const ClipSource& source, uint64_t first, int count, int cell) {
  constexpr int kGap = 2;
  check(count >= 1 && cell >= 16,
        "clip_sheet: expected at least one clip and cells of at least 16 "
        "pixels; given ",
        count, " and ", cell);
  Image sheet;
  for (int row = 0; row < count; ++row) {
    const Clip clip = source.clip(first + uint64_t(row));
    const int frames = int(clip.frames.dim(0));
    if (row == 0) {
      sheet = {frames * (cell + kGap) - kGap, count * (cell + kGap) - kGap, {}};
      sheet.rgb.assign(std::size_t(sheet.width) * std::size_t(sheet.height) * 3, 255);
    }
    for (int t = 0; t < frames; ++t) {
      const Image image = draw_cell(clip, t, cell);
      for (int y = 0; y < cell; ++y)
        std::copy_n(
            image.rgb.data() + std::ptrdiff_t(y) * cell * 3, cell * 3,
            sheet.rgb.data() +
                (std::ptrdiff_t(row * (cell + kGap) + y) * sheet.width + t * (cell + kGap)) * 3);
    }
  }
  return sheet;
}

}  // namespace munet
