// One piece per object: small pictures, and against areas found by joining pixels one by one.
#include "munet/pieces.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "munet/segmenter.h"
#include "tensor/random.h"
#include "tests/catch.h"
#include "tests/model_support.h"
#include "tests/support.h"

using namespace munet;

namespace {

// [n,h,w] from rows of digits: object k has 0.9 where the picture says k, else 0.05.
Tensor soft_of(const std::vector<std::string>& rows, int64_t n) {
  const auto h = int64_t(rows.size()), w = int64_t(rows[0].size());
  const Tensor soft = Tensor::full({n, h, w}, 0.05);
  for (int64_t y = 0; y < h; ++y)
    for (int64_t x = 0; x < w; ++x)
      if (const int id = rows[std::size_t(y)][std::size_t(x)] - '0'; id > 0)
        soft.data<float>()[((id - 1) * h + y) * w + x] = 0.9f;
  return soft;
}

std::vector<std::string> kept(const Tensor& keep, int64_t k) {
  std::vector<std::string> rows;
  for (int64_t y = 0; y < keep.dim(1); ++y) {
    rows.emplace_back();
    for (int64_t x = 0; x < keep.dim(2); ++x)
      rows.back() += keep.data<float>()[(k * keep.dim(1) + y) * keep.dim(2) + x] > 0 ? '#' : '.';
  }
  return rows;
}

// The definition, slowly: pixels joined pair by pair, distances from every pixel to every other.
Tensor naive(const Tensor& soft, const Tensor& before) {
  const int64_t n = soft.dim(0), h = soft.dim(1), w = soft.dim(2), pixels = h * w;
  const float *p = soft.data<float>(), *old = before.data<float>();
  const Tensor keep = Tensor::full(soft.shape(), 1);
  for (int64_t k = 0; k < n; ++k) {
    std::vector<int64_t> own, root(std::size_t(pixels), 0);
    std::iota(root.begin(), root.end(), 0);
    for (int64_t i = 0; i < pixels; ++i) {
      double rest = 1, others = 0;
      for (int64_t j = 0; j < n; ++j) {
        rest -= double(p[j * pixels + i]);
        if (j != k) others = std::max(others, double(p[j * pixels + i]));
      }
      if (double(p[k * pixels + i]) > std::max(rest, others)) own.push_back(i);
    }
    const auto away = [&](int64_t a, int64_t b) {
      return std::max(std::abs(a / w - b / w), std::abs(a % w - b % w));
    };
    for (bool changed = true; changed;) {
      changed = false;
      for (const int64_t a : own)
        for (const int64_t b : own)
          if (away(a, b) <= 1 && root[std::size_t(a)] < root[std::size_t(b)])
            root[std::size_t(b)] = root[std::size_t(a)], changed = true;
    }
    std::vector<int64_t> roots;
    for (const int64_t i : own) roots.push_back(root[std::size_t(i)]);
    std::sort(roots.begin(), roots.end());
    roots.erase(std::unique(roots.begin(), roots.end()), roots.end());
    double best = -1, side = 0;
    int64_t main = -1;
    for (const int64_t r : roots) {
      double covered = 0, size = 0;
      for (const int64_t i : own)
        if (root[std::size_t(i)] == r) covered += double(old[k * pixels + i]), ++size;
      if (covered > best) best = covered, main = r, side = std::sqrt(size);
    }
    std::vector<int64_t> stay{main};
    for (const int64_t a : own)
      for (const int64_t b : own)
        if (root[std::size_t(a)] == main && double(away(a, b)) <= side / 4)
          stay.push_back(root[std::size_t(b)]);
    for (int64_t i = 0; i < pixels && !own.empty(); ++i) {
      int64_t least = h + w;  // to what stays, and to what goes
      bool near_stays = false, near_goes = false;
      for (const int64_t o : own) {
        const int64_t d = away(i, o);
        if (d < least) least = d, near_stays = near_goes = false;
        const bool stays = std::count(stay.begin(), stay.end(), root[std::size_t(o)]) > 0;
        if (d == least) (stays ? near_stays : near_goes) = true;
      }
      // Where both are as near, either is right: NaN.
      if (near_goes) keep.data<float>()[k * pixels + i] = near_stays ? NAN : 0;
    }
  }
  return keep;
}

}  // namespace

TEST_CASE("one piece: the area that goes on from the frame before", "[segmenter]") {
  const std::vector<std::string> now{"111....11", "111....11", "111....11", "111......"};
  const Tensor soft = soft_of(now, 1);
  const Tensor left = soft_of({"11.......", "11.......", "11.......", "........."}, 1),
               right = soft_of({".......11", ".......11", ".......11", ".......11"}, 1);
  const std::vector<std::string> left_half(4, "#####....");
  CHECK(kept(one_piece(soft, left), 0) == left_half);
  CHECK(kept(one_piece(soft, {}), 0) == left_half);  // the largest
  CHECK(kept(one_piece(soft, Tensor::zeros(soft.shape())), 0) == left_half);
  const std::vector<std::string> other = kept(one_piece(soft, right), 0);
  CHECK(other[0].substr(0, 4) == "....");
  CHECK(other[0].substr(6) == "###");
  CHECK(soft.data<float>()[0] == 0.9f);  // only says it
}

TEST_CASE("one piece: a pole in front does not cost an arm, and one area loses nothing",
          "[segmenter]") {
  std::vector<std::string> man(8, "11111111.11......");
  CHECK_FALSE(one_piece(soft_of(man, 1), {}));  // a gap of 1, by a main area with side 8
  man[7] = "11111111.11....11";                 // a speck farther away
  const std::vector<std::string> rows = kept(one_piece(soft_of(man, 1), {}), 0);
  CHECK(rows[7] == "#############....");
  CHECK(rows[0].substr(0, 11) == "###########");
  CHECK_FALSE(one_piece(soft_of({"..1..", "..11.", ".....", "....."}, 1), {}));
  CHECK_FALSE(one_piece(Tensor::full({2, 5, 7}, 0.1), {}));  // nothing there at all
}

TEST_CASE("one piece: objects are on their own", "[segmenter]") {
  const Tensor soft = soft_of({"11..2..1", "11..2..1", "11......", "11..222."}, 2);
  const Tensor keep = one_piece(soft, {});
  CHECK(kept(keep, 0)[0].substr(5) == "...");
  CHECK(kept(keep, 1)[3].substr(4) == "####");
  CHECK(kept(keep, 1)[0][4] == '.');
  CHECK_THROWS_AS(one_piece(soft, Tensor::zeros({2, 4, 7})), ShapeError);
}

TEST_CASE("one piece: as the definition says, on random areas", "[segmenter]") {
  Rng rng{17};
  int dropped = 0;
  for (int round = 0; round < 60; ++round) {
    const Tensor soft = Tensor::zeros({3, 11, 13}), before = Tensor::zeros({3, 11, 13});
    for (int64_t i = 0; i < 11 * 13; ++i) {
      const auto id = rng.below(6);  // 0..2: an object
      for (int64_t k = 0; k < 3; ++k) {
        soft.data<float>()[k * 143 + i] = k == id ? 0.6f : 0.1f;
        before.data<float>()[k * 143 + i] = float(rng.uniform());
      }
    }
    const Tensor found = one_piece(soft, before), expected = naive(soft, before);
    int64_t wrong = 0, zeros = 0;
    for (int64_t i = 0; i < soft.numel(); ++i) {
      const float e = expected.data<float>()[i], f = found ? found.data<float>()[i] : 1;
      wrong += !std::isnan(e) && e != f;
      zeros += e == 0;
    }
    CHECK(wrong == 0);
    dropped += zeros > 0;
  }
  CHECK(dropped > 30);
}

namespace {

constexpr int kWidth = 53, kHeight = 37;

// Two squares with noise; ids of where they start.
void step(Segmenter& segmenter, int t, bool with_mask) {
  std::vector<uint8_t> rgb, ids;
  for (int y = 0; y < kHeight; ++y)
    for (int x = 0; x < kWidth; ++x) {
      const int id = std::abs(y - 12) < 8 && std::abs(x - 14 - t) < 9   ? 3
                     : std::abs(y - 25) < 7 && std::abs(x - 38 + t) < 8 ? 8
                                                                        : 0;
      ids.push_back(uint8_t(id));
      for (int c = 0; c < 3; ++c)
        rgb.push_back(uint8_t(20 * id + 60 * random_uniform(uint64_t(t), rgb.size())));
    }
  const MaskView given{ids.data(), kWidth, kHeight};
  segmenter.step({rgb.data(), kWidth, kHeight}, with_mask ? &given : nullptr);
}

}  // namespace

TEST_CASE("one piece: what a segmenter drops is background, and is not memorised", "[segmenter]") {
  const TemporaryFolder folder;
  const std::string weights = write_checkpoint(folder.path.string(), preset("munet18"));
  SegmenterOptions options;
  Segmenter plain(weights, options);
  options.one_piece = true;
  Segmenter whole(weights, options);
  int dropped = 0;
  for (int t = 0; t < 4; ++t) {
    step(plain, t, t == 0);
    step(whole, t, t == 0);
    const std::vector<float> a = whole.probability(3), b = whole.probability(8);
    for (std::size_t i = 0; i < a.size(); ++i) REQUIRE(a[i] + b[i] <= 1 + 1e-5);
    if (t == 1) {  // both still had the same memory
      const std::vector<float> was = plain.probability(3);
      for (std::size_t i = 0; i < a.size(); ++i) {
        REQUIRE((a[i] == was[i] || a[i] == 0));
        dropped += a[i] != was[i];
      }
    }
    if (t > 0) {
      const std::vector<unsigned char> labels = whole.labels();
      const Tensor soft = Tensor::zeros({2, kHeight, kWidth});
      for (std::size_t i = 0; i < labels.size(); ++i) {
        if (labels[i] == 3) soft.data<float>()[i] = 1;
        if (labels[i] == 8) soft.data<float>()[labels.size() + i] = 1;
      }
      CHECK_FALSE(one_piece(soft, {}));  // nothing apart is left
    }
  }
  CHECK(dropped > 0);
  CHECK(whole.probability(3) != plain.probability(3));
}
