// Shapes are given in polar form about a moving centre; textures move and turn with them.
#include <algorithm>
#include <array>
#include <cmath>

#include "data/clips.h"
#include "tensor/error.h"
#include "tensor/random.h"

namespace munet {
namespace {

constexpr double kPi = 3.141592653589793;
using Color = std::array<float, 3>;

Color random_color(Rng& rng) {
  return {float(rng.uniform()), float(rng.uniform()), float(rng.uniform())};
}

// Random numbers at the corners of a lattice, smooth between them: 0..1.
struct Noise {
  uint64_t seed;
  double corner(int64_t x, int64_t y) const {
    return random_uniform(seed, uint64_t(x * 0x9E3779B1 + y * 0x85EBCA77));
  }
  double operator()(double x, double y) const {
    const double fx = std::floor(x), fy = std::floor(y);
    const auto ix = int64_t(fx), iy = int64_t(fy);
    const auto smooth = [](double t) { return t * t * (3 - 2 * t); };
    const double u = smooth(x - fx), v = smooth(y - fy);
    const double top = corner(ix, iy) + u * (corner(ix + 1, iy) - corner(ix, iy));
    const double low = corner(ix, iy + 1) + u * (corner(ix + 1, iy + 1) - corner(ix, iy + 1));
    return top + v * (low - top);
  }
};

// Two colours, mixed by stripes, squares or noise; lengths in units of the shape's radius.
struct Texture {
  int kind;  // 0 stripes, 1 squares, 2 noise
  double period;
  Color a, b;
  Noise noise;

  static Texture random(Rng& rng) {
    return {int(rng.below(3)),
            rng.uniform(0.25, 0.9),
            random_color(rng),
            random_color(rng),
            {rng.bits()}};
  }
  Color at(double x, double y) const {
    const double u = x / period, v = y / period;
    const double mix = kind == 0   ? 0.5 + 0.5 * std::sin(2 * kPi * u)
                       : kind == 1 ? double((int64_t(std::floor(u)) + int64_t(std::floor(v))) & 1)
                                   : noise(2 * u, 2 * v);
    Color out;
    for (std::size_t c = 0; c < 3; ++c) out[c] = float(a[c] + mix * (b[c] - a[c]));
    return out;
  }
};

// r(angle) = radius (1 + bump cos(lobes angle)); everything that stays the same in a clip.
struct Look {
  double radius, stretch, bump;
  int lobes;
  Texture texture;

  static Look random(Rng& rng, double side) {
    return {side * rng.uniform(0.1, 0.22), rng.uniform(0.7, 1.4), rng.uniform(0, 0.35),
            int(2 + rng.below(5)), Texture::random(rng)};
  }
};

struct Shape2d {
  Look look;
  double x, y, vx, vy, angle, turn, sway, phase;  // pixels, radians; per frame

  static Shape2d random(Rng& rng, double side, const Look& look) {
    const double speed = side * 0.03;
    return {look,
            side * rng.uniform(0.15, 0.85),
            side * rng.uniform(0.15, 0.85),
            speed * rng.normal(),
            speed * rng.normal(),
            rng.uniform(0, 2 * kPi),
            0.12 * rng.normal(),
            speed * rng.uniform(),
            rng.uniform(0, 2 * kPi)};
  }

  void draw(int t, int side, float* rgb, uint8_t* ids, uint8_t id) const {
    const double cx = x + vx * t + sway * std::sin(phase + 0.9 * t), cy = y + vy * t;
    const double c = std::cos(angle + turn * t), s = std::sin(angle + turn * t);
    const double reach = look.radius * (1 + look.bump) * std::max(1.0, look.stretch);
    const int top = std::clamp(int(cy - reach), 0, side),
              bottom = std::clamp(int(cy + reach) + 2, 0, side);
    const int left = std::clamp(int(cx - reach), 0, side),
              right = std::clamp(int(cx + reach) + 2, 0, side);
    for (int row = top; row < bottom; ++row)
      for (int column = left; column < right; ++column) {
        const double dx = column + 0.5 - cx, dy = row + 0.5 - cy;
        const double u = (c * dx + s * dy) / (look.radius * look.stretch),
                     v = (c * dy - s * dx) / look.radius;
        const double edge = 1 + look.bump * std::cos(look.lobes * std::atan2(v, u));
        if (u * u + v * v > edge * edge) continue;
        const Color color = look.texture.at(u, v);
        const std::size_t i = std::size_t(row) * std::size_t(side) + std::size_t(column);
        std::copy(color.begin(), color.end(), rgb + 3 * i);
        ids[i] = id;
      }
  }
};

void draw_background(const Texture& texture, double x, double y, int side, float* rgb) {
  for (int row = 0; row < side; ++row)
    for (int column = 0; column < side; ++column, rgb += 3) {
      const Color color = texture.at((column + x) / side * 4, (row + y) / side * 4);
      std::copy(color.begin(), color.end(), rgb);
    }
}

class ToyClips : public ClipSource {
 public:
  ToyClips(const ClipOptions& options, uint64_t seed) : options_(options), seed_(seed) {
    check_clip_options(options);
  }

  Clip clip(uint64_t index) const override {
    const uint64_t stream = random_bits(seed_ ^ name_seed("toy"), index);
    Rng rng{stream};
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      Clip clip = draw(rng);
      clip.name = str("toy clip ", index);
      if (clip.objects > 0) return clip;
    }
    throw Error(str("toy: expected a shape of min_pixels = ", options_.min_pixels,
                    " pixels within crop = ", options_.crop, "; found none in ", kAttempts,
                    " drawings"));
  }
  std::string fingerprint() const override { return "toy"; }
  std::string summary() const override { return "toy: moving shapes drawn on the fly"; }

 private:
  static constexpr int kAttempts = 50;

  Clip draw(Rng& rng) const {
    const int t = options_.clip_frames, side = options_.crop;
    const int wanted = 1 + int(rng.below(std::min(options_.max_objects, 3)));
    const int distractors = int(rng.below(std::min(options_.max_objects, 3)));
    std::vector<Shape2d> shapes;
    for (int i = 0; i < wanted + distractors; ++i) {
      // Half of all but the first look like another one: only the place tells them apart.
      const bool twin = i > 0 && rng.uniform() < 0.5;
      const Look look = twin ? shapes[std::size_t(rng.below(i))].look : Look::random(rng, side);
      shapes.push_back(Shape2d::random(rng, side, look));
    }
    // Drawn from back to front in a random order; the first `wanted` of `shapes` are objects.
    std::vector<std::size_t> order(shapes.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    for (std::size_t i = order.size(); i > 1; --i)
      std::swap(order[i - 1], order[std::size_t(rng.below(int64_t(i)))]);
    Texture ground = Texture::random(rng);
    ground.kind = 2;
    const double pan_x = 0.02 * side * rng.normal(), pan_y = 0.02 * side * rng.normal();

    Clip clip{"", Tensor::empty({t, side, side, 3}), Tensor::zeros({t, side, side}, DType::u8), 0};
    const std::size_t pixels = std::size_t(side) * std::size_t(side);
    for (int frame = 0; frame < t; ++frame) {
      float* rgb = clip.frames.data<float>() + 3 * pixels * std::size_t(frame);
      uint8_t* ids = clip.masks.data<uint8_t>() + pixels * std::size_t(frame);
      draw_background(ground, pan_x * frame, pan_y * frame, side, rgb);
      for (const std::size_t i : order)
        shapes[i].draw(frame, side, rgb, ids, uint8_t(int(i) < wanted ? i + 1 : 0));
    }
    clip.objects = keep_visible(clip.masks, options_.min_pixels);
    return clip;
  }

  ClipOptions options_;
  uint64_t seed_;
};

}  // namespace

std::unique_ptr<ClipSource> toy_clips(const ClipOptions& options, uint64_t seed) {
  return std::make_unique<ToyClips>(options, seed);
}

}  // namespace munet
