// From an 8-bit picture to the network's input and back (network.md 1).
#pragma once

#include <cstdint>
#include <string>

#include "tensor/tensor.h"

namespace munet {

inline constexpr int64_t kMaxFrameSide = 32768;  // pixels

// How a frame becomes the network's input: resized to the working size, then padded with zeros to
// multiples of 16, the low side getting floor(d/2).
struct FrameGeometry {
  int64_t input_width = 0, input_height = 0;    // what the user gave, pixels
  int64_t width = 0, height = 0;                // working size
  int64_t left = 0, top = 0;                    // padding before
  int64_t padded_width = 0, padded_height = 0;  // multiples of 16
};

// shorter_side: frames with a larger shorter side are reduced to it; 0: never. enlarge: those with
// a smaller one are enlarged to it. Error on a frame without pixels, or with a side over
// kMaxFrameSide before or after.
FrameGeometry frame_geometry(int64_t width, int64_t height, int shorter_side, bool enlarge = false);

// Resizes (antialiased triangle filter), scales to 0..1, pads and normalises by ImageNet's mean and
// deviation, in the order that the model's pad_order says. rgb: interleaved rows, `stride` bytes
// apart, input_height x input_width. -> [1, padded_height, padded_width, 3].
Tensor prepare_frame(const uint8_t* rgb, std::ptrdiff_t stride, const FrameGeometry& geometry,
                     const std::string& pad_order);

// rgb f32 [n,h,w,3] on the CPU, 0..1 -> normalised alike, as training wants it.
Tensor normalise_frames(const Tensor& rgb);

// masks [n, height, width] -> [n, padded_height, padded_width], 0 outside; and P [1, padded_height,
// padded_width, k] -> [1, height, width, k].
Tensor pad_masks(const Tensor& masks, const FrameGeometry& geometry);
Tensor unpad(const Tensor& probability, const FrameGeometry& geometry);

}  // namespace munet
