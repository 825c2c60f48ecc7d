// One output row at a time: input rows are summed into one wide row (contiguous, so it vectorises),
// which is then filtered along x. No intermediate image, and rows are independent.
#include "tensor/image_resize.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "tensor/error.h"
#include "tensor/parallel.h"

namespace munet {
namespace {

// For each output position: the first input position that counts and the weights from there on.
struct Filter {
  std::vector<int> first, count;
  std::vector<float> weights;  // `taps` per output position
  int taps;
};

Filter triangle(int in, int out) {
  const double scale = double(in) / out, support = std::max(scale, 1.0);
  Filter filter{std::vector<int>(std::size_t(out)),
                std::vector<int>(std::size_t(out)),
                {},
                int(std::ceil(support)) * 2 + 1};
  filter.weights.resize(std::size_t(out) * std::size_t(filter.taps));
  for (int i = 0; i < out; ++i) {
    const double centre = (i + 0.5) * scale;
    const int begin = std::max(0, int(centre - support + 0.5));
    const int end = std::min(in, int(centre + support + 0.5));
    double raw_sum = 0;
    const auto raw = [&](int j) { return std::max(0.0, 1 - std::abs(j + 0.5 - centre) / support); };
    for (int j = begin; j < end; ++j) raw_sum += raw(j);
    filter.first[std::size_t(i)] = begin;
    filter.count[std::size_t(i)] = end - begin;
    for (int j = begin; j < end; ++j)
      filter.weights[std::size_t(i) * std::size_t(filter.taps) + std::size_t(j - begin)] =
          float(raw(j) / raw_sum);
  }
  return filter;
}

void check_sizes(const char* op, int width, int height, int out_width, int out_height) {
  check<ShapeError>(width >= 1 && height >= 1 && out_width >= 1 && out_height >= 1, op,
                    ": sizes must be at least 1; given ", width, "x", height, " -> ", out_width,
                    "x", out_height);
}

}  // namespace

void resize_rgb(const uint8_t* rgb, int width, int height, std::ptrdiff_t stride, float* out,
                int out_width, int out_height) {
  check_sizes("resize_rgb", width, height, out_width, out_height);
  const Filter rows = triangle(height, out_height), columns = triangle(width, out_width);
  parallel_for(out_height, 8, [&](int64_t begin, int64_t end) {
    std::vector<float> wide(std::size_t(width) * 3);
    for (int64_t y = begin; y < end; ++y) {
      std::fill(wide.begin(), wide.end(), 0.f);
      for (int i = 0; i < rows.count[std::size_t(y)]; ++i) {
        const float weight = rows.weights[std::size_t(y * rows.taps + i)];
        const uint8_t* row = rgb + (rows.first[std::size_t(y)] + i) * stride;
        for (std::size_t k = 0; k < wide.size(); ++k) wide[k] += weight * float(row[k]);
      }
      float* to = out + y * out_width * 3;
      for (int x = 0; x < out_width; ++x, to += 3) {
        const float* from = &wide[std::size_t(columns.first[std::size_t(x)]) * 3];
        const float* weight = &columns.weights[std::size_t(x) * std::size_t(columns.taps)];
        float r = 0, g = 0, b = 0;
        for (int j = 0; j < columns.count[std::size_t(x)]; ++j, from += 3) {
          r += weight[j] * from[0];
          g += weight[j] * from[1];
          b += weight[j] * from[2];
        }
        to[0] = r / 255, to[1] = g / 255, to[2] = b / 255;
      }
    }
  });
}

void resize_ids(const uint8_t* ids, int width, int height, std::ptrdiff_t stride, uint8_t* out,
                int out_width, int out_height) {
  check_sizes("resize_ids", width, height, out_width, out_height);
  const auto under = [](int i, int in, int out) {  // floor((i + 1/2) in / out), exactly
    return int((2 * int64_t(i) + 1) * in / (2 * int64_t(out)));
  };
  std::vector<int> column(static_cast<std::size_t>(out_width));
  for (int x = 0; x < out_width; ++x) column[std::size_t(x)] = under(x, width, out_width);
  for (int y = 0; y < out_height; ++y) {
    const uint8_t* row = ids + under(y, height, out_height) * stride;
    for (const int x : column) *out++ = row[x];
  }
}

}  // namespace munet
