// Colours by table and interpolation; bytes in the order that the formats say.
#include "data/flow.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <numbers>

#include "data/png.h"
#include "tensor/error.h"
#include "tensor/image_resize.h"

namespace munet {
namespace {

using Color = std::array<double, 3>;

// 55 colours around the circle, more where the eye tells more of them apart.
std::vector<Color> wheel_colors() {
  constexpr int kRed = 0, kGreen = 1, kBlue = 2;
  // From one full colour to the next, `steps` steps: `falls` goes down or `rises` goes up.
  struct Arc {
    int steps, full, other;
    bool rises;
  };
  constexpr Arc kArcs[] = {{15, kRed, kGreen, true}, {6, kGreen, kRed, false},
                           {4, kGreen, kBlue, true}, {11, kBlue, kGreen, false},
                           {13, kBlue, kRed, true},  {6, kRed, kBlue, false}};
  std::vector<Color> colors;
  for (const Arc& arc : kArcs)
    for (int i = 0; i < arc.steps; ++i) {
      Color color{};
      color[std::size_t(arc.full)] = 1;
      const double part = double(i) / arc.steps;
      color[std::size_t(arc.other)] = arc.rises ? part : 1 - part;
      colors.push_back(color);
    }
  return colors;
}

void put(uint8_t* rgb, const Color& color) {
  for (std::size_t c = 0; c < 3; ++c)
    rgb[c] = uint8_t(std::lround(std::clamp(color[c], 0.0, 1.0) * 255));
}

// x, y as shares of the full displacement.
Color wheel_color(const std::vector<Color>& wheel, double x, double y) {
  const double length = std::hypot(x, y);
  const double turn = std::atan2(-y, -x) / std::numbers::pi;  // -1..1
  const double at = (turn + 1) / 2 * double(wheel.size() - 1);
  const std::size_t first = std::size_t(at), second = (first + 1) % wheel.size();
  Color color;
  for (std::size_t c = 0; c < 3; ++c) {
    const double pure =
        wheel[first][c] + (at - double(first)) * (wheel[second][c] - wheel[first][c]);
    color[c] = length <= 1 ? 1 - length * (1 - pure) : pure * 0.75;
  }
  return color;
}

template <class ColorOf>
Image draw(const ScalarMap& map, double low, double high, const ColorOf& color_of) {
  Image image{map.width, map.height, std::vector<uint8_t>(map.values.size() * 3)};
  for (std::size_t i = 0; i < map.values.size(); ++i) {
    const double part = (double(map.values[i]) - low) / (high - low);
    put(&image.rgb[3 * i], color_of(part > 0 ? std::min(part, 1.0) : 0.0));  // NaN: 0
  }
  return image;
}

void append(std::vector<uint8_t>& bytes, const void* number) {
  static_assert(std::endian::native == std::endian::little);
  const auto* from = static_cast<const uint8_t*>(number);
  bytes.insert(bytes.end(), from, from + 4);
}

}  // namespace

Image color_wheel(const Flow& flow, double full) {
  const std::vector<Color> wheel = wheel_colors();
  Image image{flow.width, flow.height, std::vector<uint8_t>(flow.xy.size() / 2 * 3)};
  for (std::size_t i = 0; i < flow.xy.size() / 2; ++i)
    put(&image.rgb[3 * i],
        wheel_color(wheel, double(flow.xy[2 * i]) / full, double(flow.xy[2 * i + 1]) / full));
  return image;
}

Image color_wheel_legend(int diameter) {
  const std::vector<Color> wheel = wheel_colors();
  Image image{diameter, diameter, std::vector<uint8_t>(std::size_t(diameter * diameter) * 3, 255)};
  for (int i = 0; i < diameter * diameter; ++i) {
    const double x = 2 * (i % diameter + 0.5) / diameter - 1,
                 y = 2 * (i / diameter + 0.5) / diameter - 1;
    if (std::hypot(x, y) <= 1) put(&image.rgb[std::size_t(3 * i)], wheel_color(wheel, x, y));
  }
  return image;
}

Image heat_map(const ScalarMap& map, double low, double high) {
  // Nine colours of "inferno" (Smith and van der Walt, matplotlib, CC0), evenly spaced.
  constexpr uint8_t kInferno[][3] = {{0, 0, 4},      {31, 12, 72},   {85, 15, 109},
                                     {136, 34, 106}, {186, 54, 85},  {227, 89, 51},
                                     {249, 140, 10}, {249, 201, 50}, {252, 255, 164}};
  return draw(map, low, high, [&](double part) {
    const double at = part * double(std::size(kInferno) - 1);
    const std::size_t first = std::min(std::size_t(at), std::size(kInferno) - 2);
    Color color;
    for (std::size_t c = 0; c < 3; ++c)
      color[c] = (kInferno[first][c] +
                  (at - double(first)) * (kInferno[first + 1][c] - kInferno[first][c])) /
                 255.0;
    return color;
  });
}

Image grey_map(const ScalarMap& map, double low, double high) {
  return draw(map, low, high, [](double part) { return Color{part, part, part}; });
}

Image reduced(const Image& image, int width, int height) {
  Image out{width, height, std::vector<uint8_t>(std::size_t(width) * std::size_t(height) * 3)};
  std::vector<float> values(out.rgb.size());
  resize_rgb(image.rgb.data(), image.width, image.height, std::ptrdiff_t(image.width) * 3,
             values.data(), width, height);
  std::transform(values.begin(), values.end(), out.rgb.begin(),
                 [](float v) { return uint8_t(std::lround(v * 255)); });
  return out;
}

Image blend(const Image& under, const Image& over, double opacity) {
  check<ShapeError>(under.width == over.width && under.height == over.height,
                    "blend: expected pictures of one size; given ", under.width, "x", under.height,
                    " and ", over.width, "x", over.height);
  Image out = under;
  for (std::size_t i = 0; i < out.rgb.size(); ++i)
    out.rgb[i] = uint8_t(std::lround((1 - opacity) * under.rgb[i] + opacity * over.rgb[i]));
  return out;
}

std::vector<uint8_t> encode_flo(const Flow& flow) {
  std::vector<uint8_t> bytes{'P', 'I', 'E', 'H'};
  bytes.reserve(12 + flow.xy.size() * 4);
  append(bytes, &flow.width);
  append(bytes, &flow.height);
  for (const float& value : flow.xy) append(bytes, &value);
  return bytes;
}

std::vector<uint8_t> encode_kitti_flow(const Flow& flow) {
  std::vector<uint8_t> pixels;
  pixels.reserve(flow.xy.size() * 3);
  for (std::size_t i = 0; i < flow.xy.size(); i += 2) {
    const bool fits = std::abs(flow.xy[i]) < 511.9f && std::abs(flow.xy[i + 1]) < 511.9f;
    const auto code = [&](float v) {
      return fits ? uint16_t(std::lround(v * 64 + 32768)) : uint16_t{0};
    };
    for (const uint16_t sample : {code(flow.xy[i]), code(flow.xy[i + 1]), uint16_t(fits)})
      pixels.insert(pixels.end(), {uint8_t(sample >> 8), uint8_t(sample)});
  }
  return encode_png(flow.width, flow.height, pixels, PngKind::rgb16);
}

}  // namespace munet
