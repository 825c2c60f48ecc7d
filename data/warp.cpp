// Plain loops over the result's pixels; the source position moves by a constant step along a row.
#include "data/warp.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "tensor/error.h"

namespace munet {
namespace {

constexpr float kOutside[3] = {0.485f, 0.456f, 0.406f};  // what the network's input has mean 0 at

inline void map_color(const ColorMap& colors, const float* in, float* out) {
  for (int c = 0; c < 3; ++c) {
    const float* row = colors.rows[c];
    out[c] = std::clamp(row[0] * in[0] + row[1] * in[1] + row[2] * in[2] + row[3], 0.0f, 1.0f);
  }
}

// Bilinear, positions in pixel centres (0 = centre of the first); the border pixel goes on.
inline void sample(const Image& image, float x, float y, float* out) {
  const float fx = std::floor(x), fy = std::floor(y);
  const int ix = int(fx), iy = int(fy);
  const int right = std::min(ix + 1, image.width - 1), low = std::min(iy + 1, image.height - 1);
  const int left = std::max(ix, 0), top = std::max(iy, 0);
  const float u = x - fx, v = y - fy;
  const std::ptrdiff_t row = std::ptrdiff_t(image.width) * 3;
  const uint8_t* above = image.rgb.data() + top * row;
  const uint8_t* below = image.rgb.data() + low * row;
  const float a = (1 - u) * (1 - v), b = u * (1 - v), c = (1 - u) * v, d = u * v;
  for (int k = 0; k < 3; ++k)
    out[k] = (a * above[3 * left + k] + b * above[3 * right + k] + c * below[3 * left + k] +
              d * below[3 * right + k]) *
             (1.0f / 255);
}

// The map from the square to a picture of `width` of the file's `full_width` columns.
Affine to_pixels(const Affine& to_source, int width, int full_width, int height, int full_height) {
  return Affine::scale(double(width) / full_width, double(height) / full_height) * to_source;
}

inline bool inside(float x, float y, int width, int height) {
  return x >= 0 && y >= 0 && x < float(width) && y < float(height);
}

}  // namespace

Affine Affine::rotate(double radians) {
  const double c = std::cos(radians), s = std::sin(radians);
  return {c, -s, 0, s, c, 0};
}

Affine Affine::shear(double radians) { return {1, std::tan(radians), 0, 0, 1, 0}; }

Affine operator*(const Affine& a, const Affine& b) {
  return {a.xx * b.xx + a.xy * b.yx, a.xx * b.xy + a.xy * b.yy, a.xx * b.x0 + a.xy * b.y0 + a.x0,
          a.yx * b.xx + a.yy * b.yx, a.yx * b.xy + a.yy * b.yy, a.yx * b.x0 + a.yy * b.y0 + a.y0};
}

Affine inverse(const Affine& a) {
  const double det = a.xx * a.yy - a.xy * a.yx;
  check(std::abs(det) > 1e-12, "affine: expected a map that can be inverted; its determinant is ",
        det);
  const Affine linear{a.yy / det, -a.xy / det, 0, -a.yx / det, a.xx / det, 0};
  return linear * Affine::shift(-a.x0, -a.y0);
}

ColorMap operator*(const ColorMap& a, const ColorMap& b) {
  ColorMap out;
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 4; ++j)
      out.rows[i][j] = a.rows[i][0] * b.rows[0][j] + a.rows[i][1] * b.rows[1][j] +
                       a.rows[i][2] * b.rows[2][j] + (j == 3 ? a.rows[i][3] : 0);
  return out;
}

ColorMap color_map(double brightness, double contrast, double saturation, double hue, double mean) {
  constexpr double kGrey[3] = {0.299, 0.587, 0.114};
  // RGB to YIQ and back (NTSC): I and Q are turned.
  constexpr double kToYiq[3][3] = {
      {0.299, 0.587, 0.114}, {0.596, -0.274, -0.322}, {0.211, -0.523, 0.312}};
  constexpr double kToRgb[3][3] = {{1, 0.956, 0.621}, {1, -0.272, -0.647}, {1, -1.106, 1.703}};
  const double angle = hue * 2 * 3.141592653589793, c = std::cos(angle), s = std::sin(angle);
  const double turn[3][3] = {{1, 0, 0}, {0, c, -s}, {0, s, c}};
  ColorMap light, grey, color;
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j) {
      light.rows[i][j] = i == j ? float(brightness * contrast) : 0;
      light.rows[i][3] = float((1 - contrast) * mean * brightness);
      grey.rows[i][j] = float((1 - saturation) * kGrey[j] + (i == j ? saturation : 0));
      double sum = 0;
      for (int k = 0; k < 3; ++k)
        for (int l = 0; l < 3; ++l) sum += kToRgb[i][k] * turn[k][l] * kToYiq[l][j];
      color.rows[i][j] = float(sum);
    }
  return hue == 0 ? grey * light : color * grey * light;
}

double mean_grey(const Image& image) {
  const std::size_t pixels = image.rgb.size() / 3, step = std::max<std::size_t>(pixels / 1000, 1);
  double sum = 0;
  std::size_t count = 0;
  for (std::size_t i = 0; i < pixels; i += step, ++count) {
    const uint8_t* p = image.rgb.data() + 3 * i;
    sum += 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2];
  }
  return count ? sum / double(count) / 255 : 0;
}

void warp_ids(const Mask& mask, const Affine& m, int side, uint8_t* ids) {
  for (int row = 0; row < side; ++row) {
    const auto [x0, y0] = m(0.5, row + 0.5);
    for (int column = 0; column < side; ++column) {
      const float x = float(x0 + m.xx * column), y = float(y0 + m.yx * column);
      *ids++ = inside(x, y, mask.width, mask.height)
                   ? mask.ids[std::size_t(int(y)) * std::size_t(mask.width) + std::size_t(int(x))]
                   : 0;
    }
  }
}

void warp(const ScaledImage& picture, const Mask& mask, const Affine& to_source,
          const ColorMap& colors, int side, float* rgb, uint8_t* ids) {
  warp_ids(mask, to_source, side, ids);
  const Image& image = picture.image;
  const Affine m = to_pixels(to_source, image.width, picture.width, image.height, picture.height);
  for (int row = 0; row < side; ++row) {
    const auto [x0, y0] = m(0.5, row + 0.5);
    for (int column = 0; column < side; ++column, rgb += 3) {
      const float x = float(x0 + m.xx * column), y = float(y0 + m.yx * column);
      if (!inside(x, y, image.width, image.height)) {
        std::copy_n(kOutside, 3, rgb);
        continue;
      }
      float color[3];
      sample(image, x - 0.5f, y - 0.5f, color);
      map_color(colors, color, rgb);
    }
  }
}

void paste(const ScaledImage& picture, const Mask& mask, int id, const Affine& to_source,
           const ColorMap& colors, int side, uint8_t label, bool behind, float* rgb, uint8_t* ids) {
  // The object's box in the square, from its box in the mask.
  int left = mask.width, right = -1, top = mask.height, bottom = -1;
  for (int y = 0; y < mask.height; ++y) {
    const uint8_t* row = mask.ids.data() + std::ptrdiff_t(y) * mask.width;
    for (int x = 0; x < mask.width; ++x)
      if (row[x] == id) {
        left = std::min(left, x), right = std::max(right, x);
        top = std::min(top, y), bottom = y;
      }
  }
  if (right < 0) return;
  const Affine to_square = inverse(to_source);
  double box[4] = {1e9, 1e9, -1e9, -1e9};
  for (const double x : {double(left - 1), double(right + 2)})
    for (const double y : {double(top - 1), double(bottom + 2)}) {
      const auto [u, v] = to_square(x, y);
      box[0] = std::min(box[0], u), box[1] = std::min(box[1], v);
      box[2] = std::max(box[2], u), box[3] = std::max(box[3], v);
    }
  const auto clip = [&](double value) { return int(std::clamp(value, 0.0, double(side))); };
  const int first_row = clip(box[1]), last_row = clip(box[3] + 1);
  const int first_column = clip(box[0]), last_column = clip(box[2] + 1);

  const Image& image = picture.image;
  const Affine to_image =
      to_pixels(to_source, image.width, picture.width, image.height, picture.height);
  const auto covered = [&](int x, int y) {
    return x >= 0 && y >= 0 && x < mask.width && y < mask.height &&
                   mask.ids[std::size_t(y) * std::size_t(mask.width) + std::size_t(x)] == id
               ? 1.0f
               : 0.0f;
  };
  for (int row = first_row; row < last_row; ++row)
    for (int column = first_column; column < last_column; ++column) {
      const std::size_t i = std::size_t(row) * std::size_t(side) + std::size_t(column);
      if (behind && ids[i] != 0) continue;
      const auto [x, y] = to_source(column + 0.5, row + 0.5);
      const double fx = std::floor(x - 0.5), fy = std::floor(y - 0.5);
      const int ix = int(fx), iy = int(fy);
      const float u = float(x - 0.5 - fx), v = float(y - 0.5 - fy);
      const float alpha = (1 - v) * ((1 - u) * covered(ix, iy) + u * covered(ix + 1, iy)) +
                          v * ((1 - u) * covered(ix, iy + 1) + u * covered(ix + 1, iy + 1));
      if (alpha <= 0) continue;
      const auto [px, py] = to_image(column + 0.5, row + 0.5);
      const float sx = std::clamp(float(px) - 0.5f, 0.0f, float(image.width - 1)),
                  sy = std::clamp(float(py) - 0.5f, 0.0f, float(image.height - 1));
      float color[3], mapped[3];
      sample(image, sx, sy, color);
      map_color(colors, color, mapped);
      for (int c = 0; c < 3; ++c)
        rgb[3 * i + std::size_t(c)] += alpha * (mapped[c] - rgb[3 * i + std::size_t(c)]);
      if (alpha >= 0.5f) ids[i] = label;
    }
}

}  // namespace munet
