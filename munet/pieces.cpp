// Areas are found by flooding from a pixel of theirs, and grown step by step, over the eight
// neighbours.
#include "munet/pieces.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace munet {
namespace {

class Areas {
 public:
  Areas(const std::vector<uint8_t>& own, int64_t height, int64_t width)
      : height_(height), width_(width), area_(own.size(), -1) {
    for (int64_t start = 0; start < height * width; ++start) {
      if (!own[std::size_t(start)] || area_[std::size_t(start)] >= 0) continue;
      std::vector<int64_t> open{start};
      area_[std::size_t(start)] = count_;
      while (!open.empty()) {
        const int64_t i = open.back();
        open.pop_back();
        around(i, [&](int64_t next) {
          if (!own[std::size_t(next)] || area_[std::size_t(next)] >= 0) return;
          area_[std::size_t(next)] = count_;
          open.push_back(next);
        });
      }
      ++count_;
    }
  }

  int count() const { return count_; }

  // Sums of `values` over each area; null: of ones.
  std::vector<double> sums(const float* values) const {
    std::vector<double> sums(std::size_t(count_), 0);
    for (std::size_t i = 0; i < area_.size(); ++i)
      if (area_[i] >= 0) sums[std::size_t(area_[i])] += values ? double(values[i]) : 1;
    return sums;
  }

  // The areas that have a pixel within `reach` steps of area `main`.
  std::vector<uint8_t> near(int main, double reach) const {
    std::vector<uint8_t> found(std::size_t(count_), 0);
    std::vector<int> from(area_);
    for (int& area : from)
      if (area != main) area = -1;
    flood(from, reach, [&](int64_t i) {
      if (area_[std::size_t(i)] >= 0) found[std::size_t(area_[std::size_t(i)])] = 1;
    });
    found[std::size_t(main)] = 1;
    return found;
  }

  // The area that is nearest to each pixel.
  std::vector<int> nearest() const {
    std::vector<int> from(area_);
    flood(from, double(height_ + width_), [](int64_t) {});
    return from;
  }

 private:
  template <class F>
  void around(int64_t i, F&& visit) const {
    const int64_t y = i / width_, x = i % width_;
    for (int64_t ny = std::max<int64_t>(y - 1, 0); ny <= std::min(y + 1, height_ - 1); ++ny)
      for (int64_t nx = std::max<int64_t>(x - 1, 0); nx <= std::min(x + 1, width_ - 1); ++nx)
        if (ny != y || nx != x) visit(ny * width_ + nx);
  }

  // Spreads the areas in `from` over pixels that have none (-1), step by step.
  template <class F>
  void flood(std::vector<int>& from, double steps, F&& reached) const {
    std::vector<int64_t> front, next;
    for (std::size_t i = 0; i < from.size(); ++i)
      if (from[i] >= 0) front.push_back(int64_t(i));
    for (int step = 1; step <= steps && !front.empty(); ++step) {
      next.clear();
      for (const int64_t i : front)
        around(i, [&](int64_t to) {
          if (from[std::size_t(to)] >= 0) return;
          from[std::size_t(to)] = from[std::size_t(i)];
          next.push_back(to);
          reached(to);
        });
      front.swap(next);
    }
  }

  int64_t height_, width_;
  std::vector<int> area_;  // of each pixel; -1: none
  int count_ = 0;
};

// The object with the highest probability at each pixel, from 1; 0: the background.
std::vector<int> winners(const Tensor& soft) {
  const int64_t n = soft.dim(0), pixels = soft.dim(1) * soft.dim(2);
  const float* p = soft.data<float>();
  std::vector<int> winners(std::size_t(pixels), 0);
  for (int64_t i = 0; i < pixels; ++i) {
    float rest = 1, best = 0;
    for (int64_t k = 0; k < n; ++k) {
      const float value = p[k * pixels + i];
      rest -= value;
      if (value > best) best = value, winners[std::size_t(i)] = int(k) + 1;
    }
    if (rest >= best) winners[std::size_t(i)] = 0;
  }
  return winners;
}

}  // namespace

Tensor one_piece(const Tensor& soft, const Tensor& before) {
  check<ShapeError>(soft.rank() == 3 && (!before || before.shape() == soft.shape()),
                    "one_piece: expected [n,h,w] and masks before of that shape; given ",
                    soft.shape(), " and ", before ? before.shape() : Shape{});
  const int64_t n = soft.dim(0), height = soft.dim(1), width = soft.dim(2), pixels = height * width;
  const std::vector<int> winner = winners(soft);
  Tensor keep;
  for (int64_t k = 0; k < n; ++k) {
    std::vector<uint8_t> own(winner.size());
    std::transform(winner.begin(), winner.end(), own.begin(), [&](int w) { return w == k + 1; });
    const Areas areas(own, height, width);
    if (areas.count() < 2) continue;
    const std::vector<double> sizes = areas.sums(nullptr);
    std::vector<double> score = before ? areas.sums(before.data<float>() + k * pixels) : sizes;
    if (*std::max_element(score.begin(), score.end()) <= 0) score = sizes;
    const auto main = std::max_element(score.begin(), score.end()) - score.begin();
    const std::vector<uint8_t> stays =
        areas.near(int(main), std::sqrt(sizes[std::size_t(main)]) / 4);
    if (std::find(stays.begin(), stays.end(), 0) == stays.end()) continue;
    const std::vector<int> nearest = areas.nearest();
    if (!keep) keep = Tensor::full(soft.shape(), 1);
    float* to = keep.data<float>() + k * pixels;
    for (std::size_t i = 0; i < nearest.size(); ++i) to[i] = stays[std::size_t(nearest[i])];
  }
  return keep;
}

}  // namespace munet
