// Frames are read as they are needed and kept only as thumbnails.
#include "apps/report/pictures.h"

#include <algorithm>
#include <cmath>

#include "apps/frame_view.h"
#include "apps/maps.h"
#include "apps/report/page.h"
#include "data/overlay.h"
#include "data/sequence.h"
#include "tensor/error.h"

using namespace munet;
namespace fs = std::filesystem;

namespace {

constexpr uint8_t kYellow[3] = {255, 220, 0};

// The pixel of any object that is nearest to the middle of all their pixels; none: -1, -1.
std::pair<int, int> middle_pixel(const Mask& mask) {
  double x = 0, y = 0, n = 0;
  const auto each = [&](const auto& f) {
    for (int row = 0; row < mask.height; ++row)
      for (int column = 0; column < mask.width; ++column)
        if (mask.ids[std::size_t(row) * std::size_t(mask.width) + std::size_t(column)])
          f(column, row);
  };
  each([&](int column, int row) { x += column, y += row, n += 1; });
  std::pair<int, int> best{-1, -1};
  double least = 1e30;
  each([&](int column, int row) {
    const double distance = std::hypot(column - x / n, row - y / n);
    if (distance < least) least = distance, best = {column, row};
  });
  return best;
}

bool holds(const Mask& mask, double x, double y) {
  const int column = int(std::lround(x)), row = int(std::lround(y));
  return column >= 0 && row >= 0 && column < mask.width && row < mask.height &&
         mask.ids[std::size_t(row) * std::size_t(mask.width) + std::size_t(column)] != 0;
}

void add_figures(StepFigures& sum, const PairMaps& maps, const Mask& before, const Mask& now) {
  double length = 0, doubt = 0, area = 0;
  double still[2] = {}, moved[2] = {};  // both, either
  for (int y = 0; y < now.height; ++y)
    for (int x = 0; x < now.width; ++x) {
      const std::size_t i = std::size_t(y) * std::size_t(now.width) + std::size_t(x);
      const float* d = &maps.displacement.values[2 * i];
      const bool is = now.ids[i] != 0, was = before.ids[i] != 0,
                 came = holds(before, x + double(d[0]), y + double(d[1]));
      length += std::hypot(d[0], d[1]);
      if (is) doubt += 1 - double(maps.confidence.values[i]), area += 1;
      still[0] += is && was, still[1] += is || was;
      moved[0] += is && came, moved[1] += is || came;
    }
  if (area == 0) return;
  sum.length += length / double(now.ids.size());
  sum.uncertainty += doubt / area;
  sum.still += still[0] / still[1];
  sum.moved += moved[0] / moved[1];
  ++sum.frames;
}

}  // namespace

Album::Album(const TruthSequence& sequence, const std::vector<Run>& runs, std::size_t index,
             Inspector& inspector)
    : sequence_(sequence), runs_(runs), index_(index), inspector_(inspector) {
  if (!sequence.frames.empty() && fs::is_directory(sequence.frames))
    frames_ = list_frames(sequence.frames).frames;
  if (frames_.size() < 2) frames_.clear();
}

std::size_t Album::at(double share) const {
  const std::size_t last = frames_.size() - 1;
  return std::clamp<std::size_t>(std::size_t(share * double(last)), 1, last);
}

Image Album::frame(std::size_t i) const { return read_image(frames_[i]); }

std::optional<Mask> Album::truth(std::size_t i) const {
  for (const fs::path& path : sequence_.masks)
    if (path.stem() == frames_[i].stem()) return read_mask(path);
  return {};
}

std::optional<Mask> Album::result(const Run& run, std::size_t i) const {
  const fs::path path = run.folder / sequence_.folder / (frames_[i].stem().string() + ".png");
  if (!fs::exists(path)) return {};
  return read_mask(path);
}

double Album::j_at(const Run& run, const std::string& stem) const {
  double sum = 0, count = 0;
  for (const ObjectScores& object : run.scores[index_].objects) {
    const auto found = std::find(object.frames.begin(), object.frames.end(), stem);
    if (found == object.frames.end()) continue;
    sum += object.j[std::size_t(found - object.frames.begin())];
    count += 1;
  }
  return count > 0 ? sum / count : -1;
}

std::string Album::over(const Image& image, const std::optional<Mask>& mask,
                        const std::string& what) const {
  const bool fits = mask && mask->width == image.width && mask->height == image.height;
  return picture(fits ? overlay(image, *mask) : image, sequence_.name + ": " + what);
}

PairMaps Album::look(std::size_t before, std::size_t i) const {
  const Image was = frame(before), is = frame(i);
  return inspector_.look(view_of(was), view_of(is));
}

std::string Album::quarters() const {
  struct Moment {
    std::size_t i;
    Image image;
    PairMaps maps;
  };
  std::vector<Moment> moments;
  double full = 1;
  for (const double share : {0.0, 0.25, 0.5, 0.75, 1.0}) {
    const std::size_t i = at(share);
    moments.push_back({i, frame(i), look(i - 1, i)});
    if (!moments.back().maps.displacement.empty())
      full = std::max(full, full_displacement(flow_of(moments.back().maps.displacement)));
  }
  std::string predictions, uncertainty, displacement, attention;
  for (const Moment& moment : moments) {
    const std::string stem = frames_[moment.i].stem().string();
    const double j = j_at(runs_[0], stem);
    predictions += figure(over(moment.image, result(runs_[0], moment.i), "mask of frame " + stem),
                          escape(stem) + (j < 0 ? "" : ", J " + number(j, 3)));
    const std::string alt = sequence_.name + ", frame " + stem + ": ";
    if (!moment.maps.confidence.empty()) {
      uncertainty += figure(
          picture(heat_over(moment.image, uncertainty_of(moment.maps.confidence), 0, kUncertainty),
                  alt + "uncertainty"),
          "uncertainty");
      displacement += figure(
          picture(color_wheel(flow_of(moment.maps.displacement), full), alt + "displacement"),
          "displacement");
    }
    if (!moment.maps.attention.empty()) {
      const ScalarMap map = scalar_map(moment.maps.attention);
      const double low = quantile(map, 0.15), high = quantile(map, 1);
      attention +=
          figure(picture(grey_map(map, low, std::max(high, low + 1e-6)), alt + "attention"),
                 "attention " + number(low, 2) + " to " + number(high, 2));
    }
  }
  std::string html = strip(predictions);
  if (!uncertainty.empty())
    html += strip(uncertainty) + strip(displacement) +
            "<p class=\"dim\">Uncertainty 1 − U from 0 (dark) to " + number(kUncertainty, 2) +
            " (bright). Displacement: where each pixel was in the frame before; full colour is " +
            number(full, 0) + " pixels.</p>\n";
  return html + (attention.empty() ? "" : strip(attention));
}

std::string Album::search_window() const {
  if (!inspector_.has_motion()) return "";
  const std::size_t i = at(0.5);
  std::optional<Mask> mask = result(runs_[0], i);
  if (!mask || ids_in(*mask).empty()) mask = truth(i);
  const auto [x, y] = mask ? middle_pixel(*mask) : std::pair{-1, -1};
  if (x < 0) return "";
  Image image = frame(i);
  const Image before = frame(i - 1);
  inspector_.look(view_of(before), view_of(image));
  const SearchWindow window = inspector_.window(x, y);
  mark_pixel(image, x, y, kYellow);
  const auto [low, high] = std::minmax_element(window.cost.begin(), window.cost.end());
  const std::string stem = frames_[i].stem().string(), alt = sequence_.name + ": ";
  return strip(
      figure(picture(image, alt + "the pixel"), "pixel " + str(x, ",", y) + " of " + escape(stem)) +
      figure(picture(window_picture(before, window), alt + "search window in the frame before"),
             "its window in the frame before; the best match") +
      figure(flat_picture(cost_picture(window, 8), alt + "matching cost"),
             "matching cost " + number(*low, 2) + " to " + number(*high, 2)));
}

std::string Album::failure() const {
  std::size_t worst = 0;
  double least = 2;
  for (std::size_t i = 1; i < frames_.size(); ++i) {
    const double j = j_at(runs_[0], frames_[i].stem().string());
    if (j >= 0 && j < least) least = j, worst = i;
  }
  if (worst == 0) return "";
  const Image image = frame(worst);
  const PairMaps maps = look(worst - 1, worst);
  const std::string stem = frames_[worst].stem().string();
  std::string figures;
  if (!maps.confidence.empty())
    figures += figure(picture(heat_over(image, uncertainty_of(maps.confidence), 0, kUncertainty),
                              sequence_.name + ": uncertainty where it failed"),
                      "uncertainty");
  figures += figure(over(image, result(runs_[0], worst), "prediction where it failed"),
                    "prediction, J " + number(least, 3));
  figures += figure(over(image, truth(worst), "truth where it failed"), "truth");
  return "<p>Worst frame: " + escape(stem) + "</p>\n" + strip(figures);
}

std::string Album::side_by_side() const {
  if (runs_.size() < 2) return "";
  std::size_t chosen = 0;
  double most = -1;
  for (std::size_t i = 1; i < frames_.size(); ++i) {
    const std::string stem = frames_[i].stem().string();
    const double a = j_at(runs_[0], stem), b = j_at(runs_[1], stem);
    if (a >= 0 && b >= 0 && std::abs(a - b) > most) most = std::abs(a - b), chosen = i;
  }
  if (chosen == 0) return "";
  const Image image = frame(chosen);
  const std::string stem = frames_[chosen].stem().string();
  std::string figures;
  for (const Run& run : {std::cref(runs_[0]), std::cref(runs_[1])})
    figures += figure(over(image, result(run, chosen), "mask of " + run.name),
                      escape(run.name) + ", J " + number(j_at(run, stem), 3));
  figures += figure(over(image, truth(chosen), "truth"), "truth, frame " + escape(stem));
  return strip(figures);
}

std::string Album::steps(StepFigures& one, StepFigures& five) const {
  constexpr std::size_t kFar = 5;
  if (!inspector_.has_motion() || frames_.size() <= 2 * kFar) return "";
  std::string figures;
  for (const double share : {0.25, 0.5, 0.75}) {
    const std::size_t i = std::max(at(share), kFar);
    const std::optional<Mask> now = truth(i);
    const PairMaps near = look(i - 1, i), far = look(i - kFar, i);
    const double full = full_displacement(flow_of(far.displacement));
    if (const std::optional<Mask> before = truth(i - 1); before && now)
      add_figures(one, near, *before, *now);
    if (const std::optional<Mask> before = truth(i - kFar); before && now)
      add_figures(five, far, *before, *now);
    if (share != 0.5) continue;
    const Image image = frame(i);
    const std::string stem = frames_[i].stem().string();
    for (const auto& [maps, what] : {std::pair(&near, "1"), std::pair(&far, "5")}) {
      const std::string alt = sequence_.name + ", frame step " + what + ": ";
      figures +=
          figure(picture(color_wheel(flow_of(maps->displacement), full), alt + "displacement"),
                 std::string("displacement, step ") + what);
      figures += figure(picture(heat_over(image, uncertainty_of(maps->confidence), 0, kUncertainty),
                                alt + "uncertainty"),
                        std::string("uncertainty, step ") + what);
    }
    figures = strip(figures) + "<p class=\"dim\">Frame " + escape(stem) + "; full colour is " +
              number(full, 0) + " pixels in both.</p>\n";
  }
  return figures;
}
