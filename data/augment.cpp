// Only draws numbers; warp.h does what they say.
#include "data/augment.h"

#include <algorithm>
#include <cmath>

namespace munet {
namespace {

constexpr double kDegree = 3.141592653589793 / 180;

double around(Rng& rng, double reach) { return rng.uniform(-reach, reach); }

// A map about the crop's centre, then a shift in crops.
Affine about_centre(const ClipOptions& options, const Affine& linear, double x, double y) {
  const double half = options.crop / 2.0;
  return Affine::shift(half + x * options.crop, half + y * options.crop) * linear *
         Affine::shift(-half, -half);
}

// The farthest way of the crop's corners from one map to the next.
double largest_step(const std::vector<Affine>& path, int crop) {
  double step = 0;
  for (std::size_t t = 1; t < path.size(); ++t)
    for (const int x : {0, crop})
      for (const int y : {0, crop}) {
        const auto a = path[t - 1](x, y), b = path[t](x, y);
        step = std::max(step, std::hypot(a[0] - b[0], a[1] - b[1]));
      }
  return step;
}

}  // namespace

std::vector<Affine> video_path(const ClipOptions& options, Rng& rng) {
  const double share = options.frame_share;
  std::vector<Affine> path(1);
  for (int t = 1; t < options.clip_frames; ++t) {
    const double turn = around(rng, share * options.rotate * kDegree);
    const double shear = around(rng, share * options.shear * kDegree);
    const double scale = 1 + around(rng, share * options.scale);
    const double x = around(rng, share * options.translate),
                 y = around(rng, share * options.translate);
    path.push_back(about_centre(
        options, Affine::rotate(turn) * Affine::shear(shear) * Affine::scale(scale, scale), x, y));
  }
  return path;
}

std::vector<Affine> still_path(const ClipOptions& options, Rng& rng) {
  constexpr double kJerk = 0.2;
  const double spread[4] = {options.still_rotate * kDegree, options.still_scale,
                            options.still_shift, options.still_shift};
  double speed[4];
  for (int i = 0; i < 4; ++i) speed[i] = spread[i] * rng.normal();
  std::vector<std::array<double, 4>> steps;
  for (int t = 1; t < options.clip_frames; ++t) {
    std::array<double, 4>& step = steps.emplace_back();
    for (std::size_t i = 0; i < 4; ++i) step[i] = speed[i] + kJerk * spread[i] * rng.normal();
  }
  std::vector<Affine> path;
  for (double slower = 1;; slower *= 0.8) {
    path.assign(1, Affine());
    std::array<double, 4> at{};
    for (const std::array<double, 4>& step : steps) {
      for (std::size_t i = 0; i < 4; ++i) at[i] += slower * step[i];
      const double zoom = std::exp(at[1]);
      path.push_back(
          about_centre(options, Affine::rotate(at[0]) * Affine::scale(zoom, zoom), at[2], at[3]));
    }
    if (largest_step(path, options.crop) <= options.still_max_step || slower < 1e-3) return path;
  }
}

Affine draw_crop(const ClipOptions& options, int width, int height, double x, double y, Rng& rng) {
  const double zoom =
      rng.uniform(options.resize_low, options.resize_high) * options.crop / std::min(width, height);
  const double window = options.crop / zoom;  // side in the picture's pixels
  const auto start = [&](double point, int size) {
    const double first = point - rng.uniform(0.05, 0.95) * window;
    return size > window ? std::clamp(first, 0.0, size - window) : (size - window) / 2;
  };
  const double left = start(x, width), top = start(y, height);
  const Affine cut = Affine::scale(zoom, zoom) * Affine::shift(-left, -top);
  const double turn = around(rng, options.rotate * kDegree);
  const double shear = around(rng, options.shear * kDegree);
  const double scale = 1 + around(rng, options.scale);
  const double dx = around(rng, options.translate), dy = around(rng, options.translate);
  const double mirror = rng.uniform() < options.flip ? -1 : 1;
  return about_centre(
             options,
             Affine::rotate(turn) * Affine::shear(shear) * Affine::scale(mirror * scale, scale), dx,
             dy) *
         cut;
}

std::vector<ColorMap> draw_colors(const ClipOptions& options, double mean, Rng& rng) {
  const double reach[4] = {options.brightness, options.contrast, options.saturation, options.hue};
  double clip[4];
  for (int i = 0; i < 4; ++i) clip[i] = around(rng, reach[i]);
  std::vector<ColorMap> colors;
  for (int t = 0; t < options.clip_frames; ++t) {
    double value[4];
    for (int i = 0; i < 4; ++i) value[i] = clip[i] + around(rng, options.frame_share * reach[i]);
    colors.push_back(color_map(1 + value[0], 1 + value[1], 1 + value[2], value[3], mean));
  }
  return colors;
}

double zoom_of(const Affine& to_crop) {
  return std::sqrt(std::abs(to_crop.xx * to_crop.yy - to_crop.xy * to_crop.yx));
}

}  // namespace munet
