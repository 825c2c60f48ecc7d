#include "munet/pixels.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "tensor/error.h"
#include "tensor/parallel.h"

namespace munet {
namespace {

// Red's and blue's share of luma.
struct Standard {
  float kr, kb;
};
constexpr Standard kBt601{0.299f, 0.114f}, kBt709{0.2126f, 0.0722f};

uint8_t to_byte(float x) { return uint8_t(std::lrint(std::clamp(x, 0.f, 1.f) * 255)); }

void nv12_row(const uint8_t* luma, const uint8_t* chroma, int width, Standard k, uint8_t* to) {
  const float kg = 1 - k.kr - k.kb;
  for (int j = 0; j < width; ++j, to += 3) {
    const float y = (float(luma[j]) - 16) / 219;
    const float u = (float(chroma[j / 2 * 2]) - 128) / 224;
    const float v = (float(chroma[j / 2 * 2 + 1]) - 128) / 224;
    const float red = y + 2 * (1 - k.kr) * v, blue = y + 2 * (1 - k.kb) * u;
    to[0] = to_byte(red);
    to[1] = to_byte((y - k.kr * red - k.kb * blue) / kg);
    to[2] = to_byte(blue);
  }
}

}  // namespace

std::ptrdiff_t checked_stride(const char* what, std::ptrdiff_t stride, std::ptrdiff_t row) {
  check<ShapeError>(stride == 0 || std::abs(stride) >= row, "segmenter: a row of ", what, " has ",
                    row, " bytes; given a stride of ", stride);
  return stride ? stride : row;
}

RgbRows as_rgb(const FrameView& frame, std::vector<uint8_t>& buffer) {
  check(frame.pixels != nullptr, "segmenter: the frame has no pixels (null pointer)");
  const int width = frame.width, height = frame.height;
  const auto convert = [&](auto&& row) {
    buffer.resize(std::size_t(width) * std::size_t(height) * 3);
    parallel_for(height, 32, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) row(i, buffer.data() + i * width * 3);
    });
    return RgbRows{buffer.data(), std::ptrdiff_t(width) * 3};
  };

  switch (frame.format) {
    case PixelFormat::rgb:
      return {frame.pixels, checked_stride("the frame", frame.stride, std::ptrdiff_t(width) * 3)};
    case PixelFormat::bgr:
    case PixelFormat::rgba:
    case PixelFormat::bgra: {
      const int bytes = frame.format == PixelFormat::bgr ? 3 : 4;
      const int red = frame.format == PixelFormat::rgba ? 0 : 2;
      const std::ptrdiff_t stride =
          checked_stride("the frame", frame.stride, std::ptrdiff_t(width) * bytes);
      return convert([&](int64_t i, uint8_t* to) {
        const uint8_t* from = frame.pixels + i * stride;
        for (int j = 0; j < width; ++j, from += bytes, to += 3) {
          to[0] = from[red];
          to[1] = from[1];
          to[2] = from[2 - red];
        }
      });
    }
    case PixelFormat::nv12:
    case PixelFormat::nv12_709: {
      const Standard standard = frame.format == PixelFormat::nv12 ? kBt601 : kBt709;
      const std::ptrdiff_t stride = checked_stride("luma", frame.stride, width),
                           row = (width + 1) / 2 * 2;
      check(frame.chroma || stride > 0,
            "segmenter: nv12 with a negative stride needs the chroma pointer");
      const uint8_t* chroma = frame.chroma ? frame.chroma : frame.pixels + stride * height;
      const std::ptrdiff_t chroma_stride =
          checked_stride("chroma", frame.chroma_stride ? frame.chroma_stride : frame.stride, row);
      return convert([&](int64_t i, uint8_t* to) {
        nv12_row(frame.pixels + i * stride, chroma + i / 2 * chroma_stride, width, standard, to);
      });
    }
  }
  throw Error(str("segmenter: unknown pixel format ", int(frame.format)));
}

}  // namespace munet
