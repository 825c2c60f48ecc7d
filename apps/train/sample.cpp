#include "apps/train/sample.h"

#include <algorithm>
#include <cmath>

#include "data/overlay.h"

using namespace munet;

namespace {

Image frame_of(const Clip& clip, int64_t t) {
  const int height = int(clip.frames.dim(1)), width = int(clip.frames.dim(2));
  Image image{width, height, std::vector<uint8_t>(std::size_t(width) * std::size_t(height) * 3)};
  const float* from = clip.frames.data<float>() + t * height * width * 3;
  for (std::size_t i = 0; i < image.rgb.size(); ++i)
    image.rgb[i] = uint8_t(std::lround(255 * std::clamp(from[i], 0.f, 1.f)));
  return image;
}

void paste(const Image& from, Image& to, int left, int top) {
  for (int y = 0; y < from.height; ++y)
    std::copy_n(from.rgb.begin() + std::ptrdiff_t(y) * from.width * 3, from.width * 3,
                to.rgb.begin() + (std::ptrdiff_t(top + y) * to.width + left) * 3);
}

}  // namespace

Image sample_picture(const Clip& clip, const std::vector<std::vector<uint8_t>>& found) {
  const int frames = int(clip.frames.dim(0)), height = int(clip.frames.dim(1)),
            width = int(clip.frames.dim(2));
  Image sheet{width * frames, height * 2, {}};
  sheet.rgb.resize(std::size_t(sheet.width) * std::size_t(sheet.height) * 3);
  const int64_t area = int64_t(height) * width;
  for (int t = 0; t < frames; ++t) {
    const Image frame = frame_of(clip, t);
    const uint8_t* truth = clip.masks.data<uint8_t>() + t * area;
    Mask mask{width, height, {truth, truth + area}, {}};
    paste(overlay(frame, mask), sheet, t * width, 0);
    if (t > 0) mask.ids = found[std::size_t(t - 1)];
    paste(t > 0 ? overlay(frame, mask) : frame, sheet, t * width, height);
  }
  return sheet;
}
