// Drawing on 8-bit pictures; what lies outside of them is left out.
#include "apps/maps.h"

#include <algorithm>
#include <cmath>

using namespace munet;

namespace {

constexpr uint8_t kRed[3] = {230, 30, 30}, kYellow[3] = {255, 220, 0}, kBlack[3] = {0, 0, 0};

void put(Image& image, int x, int y, const uint8_t (&color)[3]) {
  if (x < 0 || y < 0 || x >= image.width || y >= image.height) return;
  std::copy_n(color, 3,
              &image.rgb[3 * (std::size_t(y) * std::size_t(image.width) + std::size_t(x))]);
}

// An outline, `line` pixels wide, its outer corners at (left, top) and (right, bottom), inclusive.
void rectangle(Image& image, int left, int top, int right, int bottom, int line,
               const uint8_t (&color)[3]) {
  for (int y = top; y <= bottom; ++y)
    for (int x = left; x <= right; ++x)
      if (std::min({x - left, right - x, y - top, bottom - y}) < line) put(image, x, y, color);
}

int line_width(const Image& image) {
  return std::max(1, std::min(image.width, image.height) / 100);
}

int best_of(const SearchWindow& window) {
  return int(std::max_element(window.cost.begin(), window.cost.end()) - window.cost.begin());
}

}  // namespace

Flow flow_of(const PixelMap& displacement) {
  return {displacement.width, displacement.height, displacement.values};
}

ScalarMap scalar_map(const PixelMap& map) { return {map.width, map.height, map.values}; }

ScalarMap uncertainty_of(const PixelMap& confidence) {
  ScalarMap map = scalar_map(confidence);
  for (float& value : map.values) value = 1 - value;
  return map;
}

double quantile(const ScalarMap& map, double share) {
  std::vector<float> values = map.values;
  const auto at = values.begin() + std::ptrdiff_t(double(values.size() - 1) * share);
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

double full_displacement(const Flow& flow) {
  ScalarMap lengths{flow.width, flow.height, {}};
  for (std::size_t i = 0; i < flow.xy.size(); i += 2)
    lengths.values.push_back(std::hypot(flow.xy[i], flow.xy[i + 1]));
  return std::max(1.0, std::ceil(quantile(lengths, 0.99)));
}

Image heat_over(const Image& frame, const ScalarMap& map, double low, double high) {
  Image grey = frame;
  for (std::size_t i = 0; i < grey.rgb.size(); i += 3) {
    const int luma = (299 * frame.rgb[i] + 587 * frame.rgb[i + 1] + 114 * frame.rgb[i + 2]) / 1000;
    std::fill_n(&grey.rgb[i], 3, uint8_t(luma));
  }
  return blend(grey, heat_map(map, low, high), 0.65);
}

Image window_picture(const Image& before, const SearchWindow& window) {
  Image out = before;
  const auto pixel = [](double at) { return int(std::floor(at)); };
  const double side = window.side * window.cell;
  const int line = line_width(before);
  rectangle(out, pixel(window.left), pixel(window.top), pixel(window.left + side) - 1,
            pixel(window.top + side) - 1, line, kRed);
  const int best = best_of(window);
  const double x = window.left + best % window.side * window.cell,
               y = window.top + best / window.side * window.cell;
  rectangle(out, pixel(x), pixel(y), pixel(x + window.cell) - 1, pixel(y + window.cell) - 1,
            2 * line, kYellow);
  return out;
}

Image cost_picture(const SearchWindow& window, int zoom) {
  // From the middling cost up: that is where the differences are.
  std::vector<float> sorted = window.cost;
  std::sort(sorted.begin(), sorted.end());
  const double low = sorted[sorted.size() / 2], high = std::max<double>(low + 1e-6, sorted.back());
  ScalarMap map{window.side * zoom, window.side * zoom, {}};
  for (int y = 0; y < map.height; ++y)
    for (int x = 0; x < map.width; ++x)
      map.values.push_back(window.cost[std::size_t(y / zoom * window.side + x / zoom)]);
  Image out = heat_map(map, low, high);
  const int best = best_of(window), left = best % window.side * zoom,
            top = best / window.side * zoom;
  rectangle(out, left, top, left + zoom - 1, top + zoom - 1, 1, kBlack);
  return out;
}

void mark_pixel(Image& image, int x, int y, const uint8_t (&color)[3]) {
  const int arm = 6 * line_width(image), line = line_width(image);
  for (const auto& [ink, grow] : {std::pair(&kBlack, 1), std::pair(&color, 0)})
    for (int i = -arm - grow; i <= arm + grow; ++i)
      for (int j = -line / 2 - grow; j <= line / 2 + grow; ++j) {
        put(image, x + i, y + j, *ink);
        put(image, x + j, y + i, *ink);
      }
}
