// Changes of size for frames and masks, on raw pointers: what the segmenter does to a frame before
// the network sees it. Sizes in pixels, strides in bytes from one row to the next.
#pragma once

#include <cstddef>
#include <cstdint>

namespace munet {

// Resizes 8-bit interleaved RGB with the triangle filter: a plain bilinear interpolation
// (align_corners = false) where the image grows; where it shrinks, the triangle is as much wider as
// the image gets smaller, so that nothing aliases (Pillow's BILINEAR, PyTorch's antialias = True,
// without their rounding between the passes).
//   out[y][x] = sum_ij v(y, i) h(x, j) rgb[i][j] / 255, the weights of each axis summing to 1
// rgb: `height` rows of width * 3 bytes, 0..255 -> out [out_height, out_width, 3], 0..1; the same
// size gives exactly rgb / 255. ShapeError if a size is below 1.
void resize_rgb(const uint8_t* rgb, int width, int height, std::ptrdiff_t stride, float* out,
                int out_width, int out_height);

// Resizes a map of ids by taking the pixel under each output pixel's centre: no id is invented.
//   out[y][x] = ids[floor((y + 1/2) height / out_height)][floor((x + 1/2) width / out_width)]
// ids: `height` rows of `width` bytes -> out [out_height, out_width]. ShapeError as above.
void resize_ids(const uint8_t* ids, int width, int height, std::ptrdiff_t stride, uint8_t* out,
                int out_width, int out_height);

}  // namespace munet
