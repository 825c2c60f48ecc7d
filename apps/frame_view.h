// A picture as the segmenter takes it; it must outlive the view.
#pragma once

#include "data/image.h"
#include "munet/segmenter.h"

inline munet::FrameView view_of(const munet::Image& image) {
  return {image.rgb.data(), image.width, image.height, 0};
}
