// Row by row: a shape is the spans that it cuts out of the line through the pixels' centres.
#include "data/shapes.h"

#include <algorithm>
#include <cmath>

namespace munet {
namespace {

// The pixels of row y whose centres lie in [left, right).
int64_t fill_span(Mask& mask, int id, int y, double left, double right) {
  const auto first_centre = [&](double x) {
    return int(std::ceil(std::clamp(x - 0.5, 0.0, double(mask.width))));
  };
  const int begin = first_centre(left), end = first_centre(right);
  if (begin >= end) return 0;
  std::fill_n(mask.ids.begin() + std::ptrdiff_t(y) * mask.width + begin, end - begin, uint8_t(id));
  return end - begin;
}

}  // namespace

int64_t fill_box(Mask& mask, int id, double x, double y, double width, double height) {
  return fill_polygon(mask, id, {{x, y}, {x + width, y}, {x + width, y + height}, {x, y + height}});
}

int64_t fill_ellipse(Mask& mask, int id, double center_x, double center_y, double radius_x,
                     double radius_y) {
  int64_t filled = 0;
  for (int y = 0; y < mask.height; ++y) {
    const double up = (y + 0.5 - center_y) / radius_y;
    if (up * up > 1) continue;
    const double half = radius_x * std::sqrt(1 - up * up);
    filled += fill_span(mask, id, y, center_x - half, center_x + half);
  }
  return filled;
}

int64_t fill_polygon(Mask& mask, int id, const std::vector<std::pair<double, double>>& corners) {
  int64_t filled = 0;
  for (int y = 0; y < mask.height; ++y) {
    const double line = y + 0.5;
    std::vector<double> crossings;
    for (std::size_t i = 0; i < corners.size(); ++i) {
      const auto& [x0, y0] = corners[i];
      const auto& [x1, y1] = corners[(i + 1) % corners.size()];
      // A corner on the line belongs to the edge below it: counted once.
      if ((y0 <= line) != (y1 <= line))
        crossings.push_back(x0 + (line - y0) / (y1 - y0) * (x1 - x0));
    }
    std::sort(crossings.begin(), crossings.end());
    for (std::size_t i = 0; i + 1 < crossings.size(); i += 2)
      filled += fill_span(mask, id, y, crossings[i], crossings[i + 1]);
  }
  return filled;
}

}  // namespace munet
