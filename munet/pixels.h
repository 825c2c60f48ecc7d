// The formats in which an embedder's frames come, as interleaved RGB.
#pragma once

#include <vector>

#include "munet/segmenter.h"

namespace munet {

// Bytes from one row to the next: `stride`, or where it is 0 `row`, the bytes of one. ShapeError if
// rows overlap; it names `what`.
std::ptrdiff_t checked_stride(const char* what, std::ptrdiff_t stride, std::ptrdiff_t row);

struct RgbRows {
  const uint8_t* rows;
  std::ptrdiff_t stride;  // bytes
};

// The frame's own rows if they are RGB already; else they are converted into `buffer`. NV12 with
// the Kr, Kb of its standard, each chroma sample for its 2x2 pixels, rounded and clamped to 0..255:
//   y = (Y - 16) / 219;  u = (U - 128) / 224;  v = (V - 128) / 224
//   R = y + 2 (1 - Kr) v;  B = y + 2 (1 - Kb) u;  G = (y - Kr R - Kb B) / (1 - Kr - Kb)
// Error on a null pointer, ShapeError on a stride that is shorter than a row. Sizes are positive.
RgbRows as_rgb(const FrameView& frame, std::vector<uint8_t>& buffer);

}  // namespace munet
