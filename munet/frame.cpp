#include "munet/frame.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "autograd/ops/shape.h"
#include "tensor/image_resize.h"
#include "tensor/parallel.h"

namespace munet {
namespace {

constexpr float kMean[3] = {0.485f, 0.456f, 0.406f};
constexpr float kDeviation[3] = {0.229f, 0.224f, 0.225f};

int64_t up_to_16(int64_t size) { return (size + 15) / 16 * 16; }

}  // namespace

FrameGeometry frame_geometry(int64_t width, int64_t height, int shorter_side, bool enlarge) {
  check(width > 0 && height > 0 && width <= kMaxFrameSide && height <= kMaxFrameSide,
        "frame: expected 1..", kMaxFrameSide, " pixels on each side; given ", width, "x", height);
  check(shorter_side >= 0, "frame: the shorter side is 0 (as given) or positive; given ",
        shorter_side);
  FrameGeometry g;
  g.input_width = g.width = width;
  g.input_height = g.height = height;
  const int64_t shorter = std::min(width, height);
  if (shorter_side > 0 && (shorter > shorter_side || enlarge)) {
    const auto resized = [&](int64_t size) {
      return std::max<int64_t>(1, std::llround(double(size) * shorter_side / double(shorter)));
    };
    g.width = resized(width);
    g.height = resized(height);
    check(std::max(g.width, g.height) <= kMaxFrameSide, "frame: ", width, "x", height,
          " enlarged to ", g.width, "x", g.height, "; expected ", kMaxFrameSide,
          " pixels on each side at most");
  }
  g.padded_width = up_to_16(g.width);
  g.padded_height = up_to_16(g.height);
  g.left = (g.padded_width - g.width) / 2;
  g.top = (g.padded_height - g.height) / 2;
  return g;
}

Tensor prepare_frame(const uint8_t* rgb, std::ptrdiff_t stride, const FrameGeometry& g,
                     const std::string& pad_order) {
  std::vector<float> picture(std::size_t(g.width * g.height * 3));  // 0..1
  resize_rgb(rgb, int(g.input_width), int(g.input_height), stride, picture.data(), int(g.width),
             int(g.height));
  Tensor x = Tensor::empty({1, g.padded_height, g.padded_width, 3});
  float outside[3];  // a padded pixel is black before normalising, or the mean after it
  for (int c = 0; c < 3; ++c)
    outside[c] = pad_order == "pad_then_normalise" ? -kMean[c] / kDeviation[c] : 0.f;
  parallel_for(g.padded_height, 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      float* to = x.data<float>() + i * g.padded_width * 3;
      const int64_t row = i - g.top;
      for (int64_t j = 0; j < g.padded_width; ++j, to += 3) {
        const int64_t column = j - g.left;
        if (row < 0 || row >= g.height || column < 0 || column >= g.width) {
          std::copy(outside, outside + 3, to);
          continue;
        }
        const float* from = picture.data() + (row * g.width + column) * 3;
        for (int c = 0; c < 3; ++c) to[c] = (from[c] - kMean[c]) / kDeviation[c];
      }
    }
  });
  return x;
}

Tensor normalise_frames(const Tensor& rgb) {
  Tensor x = Tensor::empty(rgb.shape());
  const float* from = rgb.data<float>();
  float* to = x.data<float>();
  parallel_for(rgb.numel() / 3, 4096, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      for (int c = 0; c < 3; ++c) to[3 * i + c] = (from[3 * i + c] - kMean[c]) / kDeviation[c];
  });
  return x;
}

Tensor pad_masks(const Tensor& masks, const FrameGeometry& g) {
  const int64_t n = masks.dim(0);
  const Padding2d around{g.left, g.padded_width - g.width - g.left, g.top,
                         g.padded_height - g.height - g.top};
  const Tensor padded = pad2d(masks.view({n, g.height, g.width, 1}), around);
  return padded.view({n, g.padded_height, g.padded_width});
}

Tensor unpad(const Tensor& probability, const FrameGeometry& g) {
  return narrow(narrow(probability, 1, g.top, g.height), 2, g.left, g.width);
}

}  // namespace munet
