// Masks are read first: they decide about the crop, and the crop decides how large a picture is
// wanted.
#include "data/scene.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "tensor/error.h"

namespace munet {
namespace {

std::array<int64_t, 256> count_ids(const uint8_t* ids, std::size_t n) {
  std::array<int64_t, 256> count{};
  for (std::size_t i = 0; i < n; ++i) ++count[ids[i]];
  return count;
}

template <class T>
void shuffle(std::vector<T>& values, Rng& rng) {
  for (std::size_t i = values.size(); i > 1; --i)
    std::swap(values[i - 1], values[std::size_t(rng.below(int64_t(i)))]);
}

// The centre of the n-th pixel with that id.
std::array<double, 2> pixel_of(const Mask& mask, int id, int64_t n) {
  for (std::size_t i = 0; i < mask.ids.size(); ++i)
    if (mask.ids[i] == id && n-- == 0)
      return {double(i % std::size_t(mask.width)) + 0.5, double(i / std::size_t(mask.width)) + 0.5};
  return {mask.width / 2.0, mask.height / 2.0};
}

// Reads masks and pictures of footage frame by frame; a still's only once.
class Reader {
 public:
  explicit Reader(const Footage& footage) : footage_(footage) {}
  const Mask& mask(std::size_t t) {
    if (mask_frame_ != footage_.frames[t] || mask_.ids.empty()) {
      mask_frame_ = footage_.frames[t];
      mask_ = footage_.set->mask(footage_.item, mask_frame_);
    }
    return mask_;
  }
  const ScaledImage& picture(std::size_t t, double scale) {
    if (picture_frame_ != footage_.frames[t] || picture_.image.rgb.empty()) {
      picture_frame_ = footage_.frames[t];
      picture_ = footage_.set->image(footage_.item, picture_frame_, std::min(scale, 1.0));
      const TrainingItem& item = footage_.of();
      check_same_size(str(item.part, "/", item.name, "/", item.frames[picture_frame_]), picture_,
                      mask(t));
    }
    return picture_;
  }

 private:
  const Footage& footage_;
  std::size_t mask_frame_ = 0, picture_frame_ = 0;
  Mask mask_;
  ScaledImage picture_;
};

// A picture may be a little smaller than its place in the crop before that shows.
constexpr double kSoftness = 0.8;
constexpr double kPi = 3.141592653589793;

}  // namespace

std::optional<Footage> draw_footage(const TrainingSet& set, std::size_t item,
                                    const ClipOptions& options, Rng& rng,
                                    std::optional<std::size_t> start) {
  const auto wanted = std::size_t(options.clip_frames);
  Footage footage{&set, item, std::vector<std::size_t>(wanted, 0)};
  if (footage.of().still) return footage;
  const std::size_t length = footage.of().frames.size();
  if (length < wanted) return {};
  const std::size_t longest = (length - 1) / (wanted - 1);
  const std::size_t skip =
      1 + std::size_t(rng.below(std::min<int64_t>(options.max_skip, int64_t(longest))));
  const std::size_t last_start = length - 1 - skip * (wanted - 1);
  const std::size_t first =
      start ? std::min(*start, last_start) : std::size_t(rng.below(int64_t(last_start) + 1));
  for (std::size_t t = 0; t < wanted; ++t) footage.frames[t] = first + skip * t;
  if (rng.uniform() < options.reverse) std::reverse(footage.frames.begin(), footage.frames.end());
  return footage;
}

Scene::Scene(const ClipOptions& options)
    : options_(options),
      frames_(Tensor::empty({options.clip_frames, options.crop, options.crop, 3})),
      masks_(Tensor::empty({options.clip_frames, options.crop, options.crop}, DType::u8)) {}

float* Scene::rgb(int t) {
  return frames_.data<float>() + int64_t(t) * options_.crop * options_.crop * 3;
}
uint8_t* Scene::ids(int t) {
  return masks_.data<uint8_t>() + int64_t(t) * options_.crop * options_.crop;
}

std::optional<Scene> Scene::film(const Footage& footage, const ClipOptions& options,
                                 int max_objects, Rng& rng) {
  constexpr int kCrops = 6;
  Reader reader(footage);
  const Mask& first = reader.mask(0);
  const std::array<int64_t, 256> area = count_ids(first.ids.data(), first.ids.size());
  std::vector<int> there, shown;
  for (int id = 1; id < kUnlabelled; ++id)
    if (area[std::size_t(id)] > 0) there.push_back(id);
  if (there.empty()) return {};

  Scene scene(options);
  const auto square = std::size_t(options.crop) * std::size_t(options.crop);
  Affine to_crop;
  for (int attempt = 0; attempt < kCrops && shown.empty(); ++attempt) {
    const int id = there[std::size_t(rng.below(int64_t(there.size())))];
    const auto [x, y] = pixel_of(first, id, rng.below(area[std::size_t(id)]));
    to_crop = draw_crop(options, first.width, first.height, x, y, rng);
    warp_ids(first, inverse(to_crop), options.crop, scene.ids(0));
    const std::array<int64_t, 256> visible = count_ids(scene.ids(0), square);
    for (const int candidate : there)
      if (visible[std::size_t(candidate)] >= options.min_pixels) shown.push_back(candidate);
  }
  if (shown.empty()) return {};
  shuffle(shown, rng);
  shown.resize(std::min(shown.size(), std::size_t(max_objects)));
  std::array<uint8_t, 256> label;
  label.fill(kUnlabelled);
  label[0] = 0;
  for (const int id : shown) {
    scene.objects_.push_back(id);
    label[std::size_t(id)] = uint8_t(scene.objects_.size());
  }

  const std::vector<Affine> path =
      footage.of().still ? still_path(options, rng) : video_path(options, rng);
  double zoom = 0;
  for (const Affine& step : path) zoom = std::max(zoom, zoom_of(step * to_crop));
  std::vector<ColorMap> colors;
  for (int t = 0; t < options.clip_frames; ++t) {
    const ScaledImage& picture = reader.picture(std::size_t(t), kSoftness * zoom);
    if (t == 0) colors = draw_colors(options, mean_grey(picture.image), rng);
    warp(picture, reader.mask(std::size_t(t)), inverse(path[std::size_t(t)] * to_crop),
         colors[std::size_t(t)], options.crop, scene.rgb(t), scene.ids(t));
    for (std::size_t i = 0; i < square; ++i) scene.ids(t)[i] = label[scene.ids(t)[i]];
  }
  return scene;
}

Scene::Spot Scene::spot(int t, int label) {
  Spot spot;
  const uint8_t* at = ids(t);
  for (int y = 0; y < options_.crop; ++y)
    for (int x = 0; x < options_.crop; ++x)
      if (*at++ == label) spot.x += x + 0.5, spot.y += y + 0.5, spot.area += 1;
  if (spot.area > 0) spot.x /= spot.area, spot.y /= spot.area;
  return spot;
}

bool Scene::add(const Footage& footage, const Part& part, int beside, Rng& rng) {
  Reader reader(footage);
  const Mask& first = reader.mask(0);
  const std::array<int64_t, 256> area = count_ids(first.ids.data(), first.ids.size());
  std::vector<int> candidates;
  const std::map<int, std::string>& kinds = footage.of().kinds;
  for (int id = 1; id < kUnlabelled; ++id) {
    const auto kind = kinds.find(id);
    const bool fits = part.id
                          ? id == part.id
                          : part.kind.empty() || kind == kinds.end() || kind->second == part.kind;
    if (fits && area[std::size_t(id)] >= options_.min_pixels) candidates.push_back(id);
  }
  if (candidates.empty()) return false;
  const int id = candidates[std::size_t(rng.below(int64_t(candidates.size())))];
  double x = 0, y = 0;
  for (std::size_t i = 0; i < first.ids.size(); ++i)
    if (first.ids[i] == id) {
      x += double(i % std::size_t(first.width)) + 0.5;
      y += double(i / std::size_t(first.width)) + 0.5;
    }
  x /= double(area[std::size_t(id)]), y /= double(area[std::size_t(id)]);

  // From a place around the other object to another one, at distances in diameters of a disc of its
  // area, within the crop.
  const Spot target = spot(0, beside);
  if (target.area <= 0) return false;
  const double side = options_.crop;
  const double diameter = std::min(2 * std::sqrt(target.area / kPi), 0.6 * side);
  const auto place = [&](double angle, double low, double high) {
    const double distance = diameter * rng.uniform(low, high);
    return std::array<double, 2>{
        std::clamp(target.x + distance * std::cos(angle), 0.1 * side, 0.9 * side) - target.x,
        std::clamp(target.y + distance * std::sin(angle), 0.1 * side, 0.9 * side) - target.y};
  };
  const auto from = place(rng.uniform(0, 2 * kPi), 0.6, 1.6);
  const auto to = part.through ? std::array<double, 2>{-from[0], -from[1]}
                               : place(rng.uniform(0, 2 * kPi), 0.2, 1.6);
  const bool follows = rng.uniform() < 0.5;
  const double zoom = part.size * std::exp(0.15 * rng.normal()) * diameter /
                      (2 * std::sqrt(double(area[std::size_t(id)]) / kPi));
  const double lean = 0.15 * rng.normal(), turn = 0.04 * rng.normal();
  const double mirror = rng.uniform() < 0.5 ? -1 : 1;
  const int label = part.labelled ? objects() + 1 : kUnlabelled;

  std::vector<ColorMap> colors;
  Spot now = target;
  const int last = options_.clip_frames - 1;
  for (int t = 0; t <= last; ++t) {
    if (follows)
      if (const Spot moved = spot(t, beside); moved.area > 0) now = moved;
    const double share = double(t) / last;
    const Affine to_crop = Affine::shift(now.x + from[0] + share * (to[0] - from[0]),
                                         now.y + from[1] + share * (to[1] - from[1])) *
                           Affine::rotate(lean + turn * t) * Affine::scale(mirror * zoom, zoom) *
                           Affine::shift(-x, -y);
    const ScaledImage& picture = reader.picture(std::size_t(t), kSoftness * zoom);
    if (t == 0) colors = draw_colors(options_, mean_grey(picture.image), rng);
    paste(picture, reader.mask(std::size_t(t)), id, inverse(to_crop), colors[std::size_t(t)],
          options_.crop, uint8_t(label), part.behind, rgb(t), ids(t));
  }
  if (part.labelled) objects_.push_back(id);
  return true;
}

void Scene::merge(const Scene& other) {
  const int before = objects();
  const uint8_t* from = other.masks_.data<uint8_t>();
  uint8_t* to = masks_.data<uint8_t>();
  for (int64_t i = 0; i < masks_.numel(); ++i)
    if (from[i] != 0 && from[i] != kUnlabelled) {
      to[i] = uint8_t(before + from[i]);
      std::copy_n(other.frames_.data<float>() + 3 * i, 3, frames_.data<float>() + 3 * i);
    }
  objects_.insert(objects_.end(), other.objects_.begin(), other.objects_.end());
}

Clip Scene::finish() && {
  uint8_t* at = masks_.data<uint8_t>();
  for (int64_t i = 0; i < masks_.numel(); ++i)
    if (at[i] == kUnlabelled) at[i] = 0;
  const int objects = keep_visible(masks_, options_.min_pixels);
  return {"", frames_, masks_, objects};
}

}  // namespace munet
