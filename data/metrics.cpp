// 64 pixels at a time: a 480p frame's F takes a fraction of a millisecond.
#include "data/metrics.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <numeric>

#include "tensor/error.h"

namespace munet {
namespace {

void check_same_size(const char* op, const Region& truth, const Region& result) {
  check<ShapeError>(truth.width == result.width && truth.height == result.height, op,
                    ": expected regions of one size; got ", truth.width, "x", truth.height, " and ",
                    result.width, "x", result.height);
}

int64_t count(const Region& a) {
  return std::transform_reduce(a.words.begin(), a.words.end(), int64_t{0}, std::plus<>(),
                               [](uint64_t word) { return std::popcount(word); });
}

int64_t count_both(const Region& a, const Region& b) {
  return std::transform_reduce(
      a.words.begin(), a.words.end(), b.words.begin(), int64_t{0}, std::plus<>(),
      [](uint64_t left, uint64_t right) { return std::popcount(left & right); });
}

// Bit i: whether byte i of eight is `id`.
uint64_t equal_bytes(const uint8_t* bytes, uint8_t id) {
  constexpr uint64_t kOnes = 0x0101010101010101, kLow = 0x7f * kOnes;
  uint64_t x;
  std::memcpy(&x, bytes, 8);
  x ^= id * kOnes;                                        // a byte is now 0 where it was `id`,
  const uint64_t zero = ~(((x & kLow) + kLow) | x) >> 7;  // and here its lowest bit is 1;
  return (zero & kOnes) * 0x0102040810204080 >> 56;       // bit 8 i goes to bit 56 + i
}

// One pixel further to both sides, within words [begin, end) of a row.
void widen(std::vector<uint64_t>& row, std::size_t begin, std::size_t end) {
  uint64_t before = 0;
  for (std::size_t i = begin; i < end; ++i) {
    const uint64_t here = row[i], after = i + 1 < end ? row[i + 1] : 0;
    row[i] = here | here << 1 | here >> 1 | before >> 63 | after << 63;
    before = here;
  }
}

// What the last word of a row may hold.
uint64_t last_word_mask(int width) { return ~uint64_t{0} >> ((64 - width % 64) % 64); }

double mean_of(const std::vector<double>& values, std::size_t first, std::size_t last) {
  return std::accumulate(values.begin() + int64_t(first), values.begin() + int64_t(last) + 1, 0.0) /
         double(last + 1 - first);
}

}  // namespace

Region::Region(int width, int height)
    : width(width), height(height), words(std::size_t(words_per_row()) * std::size_t(height)) {}

Region region_of(const std::vector<uint8_t>& ids, int width, int height, int id) {
  check<ShapeError>(width > 0 && height > 0 && int64_t(ids.size()) == int64_t(width) * height,
                    "region_of: expected ", width, "x", height, " ids; got ", ids.size());
  Region region(width, height);
  for (int y = 0; y < height; ++y) {
    const uint8_t* row = ids.data() + int64_t(y) * width;
    uint64_t* words = region.row(y);
    int x = 0;
    for (; x + 8 <= width; x += 8) words[x / 64] |= equal_bytes(row + x, uint8_t(id)) << x % 64;
    for (; x < width; ++x) words[x / 64] |= uint64_t(row[x] == id) << x % 64;
  }
  return region;
}

int64_t overlap(const Region& a, const Region& b) {
  check_same_size("overlap", a, b);
  return count_both(a, b);
}

double region_similarity(const Region& truth, const Region& result) {
  check_same_size("region_similarity", truth, result);
  const int64_t both = count_both(truth, result), any = count(truth) + count(result) - both;
  return any == 0 ? 1 : double(both) / double(any);
}

int boundary_tolerance(int width, int height) {
  return int(std::ceil(0.008 * std::sqrt(double(width) * width + double(height) * height)));
}

Region boundary(const Region& region) {
  Region out(region.width, region.height);
  const int words = region.words_per_row(), last = region.height - 1;
  // The right neighbours of word i; the last pixel of a row counts as its own.
  const auto right = [&](const uint64_t* row, int i) {
    const uint64_t next =
        i + 1 < words ? row[i + 1] << 63 : row[i] & 1ull << (region.width - 1) % 64;
    return row[i] >> 1 | next;
  };
  for (int y = 0; y <= last; ++y) {
    const uint64_t *here = region.row(y), *below = region.row(std::min(y + 1, last));
    for (int i = 0; i < words; ++i)
      out.row(y)[i] =
          (here[i] ^ right(here, i)) | (here[i] ^ below[i]) | (here[i] ^ right(below, i));
  }
  return out;
}

Region dilate(const Region& region, int radius) {
  Region out(region.width, region.height);
  const std::size_t words = std::size_t(region.words_per_row()),
                    reach = std::size_t(radius / 64 + 1);
  std::vector<uint64_t> wide(words);
  for (int y = 0; y < region.height; ++y) {
    const uint64_t* row = region.row(y);
    const auto set = [](uint64_t word) { return word != 0; };
    const std::size_t first = std::size_t(std::find_if(row, row + words, set) - row);
    if (first == words) continue;
    const std::size_t begin = first - std::min(first, reach);
    std::size_t end = words;
    while (row[end - 1] == 0) --end;
    end = std::min(end + reach, words);
    std::copy(row, row + words, wide.begin());
    // From the disk's tips to its middle it only gets wider.
    int width = 0;
    for (int dy = radius; dy >= 0; --dy) {
      for (; (width + 1) * (width + 1) + dy * dy <= radius * radius; ++width)
        widen(wide, begin, end);
      for (const int to : {y - dy, y + dy})
        if (to >= 0 && to < region.height)
          for (std::size_t i = begin; i < end; ++i) out.row(to)[i] |= wide[i];
    }
  }
  for (int y = 0; y < region.height; ++y) out.row(y)[words - 1] &= last_word_mask(region.width);
  return out;
}

double boundary_accuracy(const Region& truth, const Region& result) {
  check_same_size("boundary_accuracy", truth, result);
  const Region wanted = boundary(truth), found = boundary(result);
  const int64_t n_wanted = count(wanted), n_found = count(found);
  if (n_wanted == 0 || n_found == 0) return n_wanted == n_found ? 1 : 0;
  const int radius = boundary_tolerance(truth.width, truth.height);
  const double precision = double(count_both(found, dilate(wanted, radius))) / double(n_found);
  const double recall = double(count_both(wanted, dilate(found, radius))) / double(n_wanted);
  return precision + recall == 0 ? 0 : 2 * precision * recall / (precision + recall);
}

Statistics statistics(const std::vector<double>& per_frame) {
  const std::size_t n = per_frame.size();
  check<ShapeError>(n > 0, "statistics: expected at least one frame; got none");
  const auto border = [n](std::size_t quarter) { return (quarter * (n - 1) + 2) / 4; };
  const auto good =
      std::count_if(per_frame.begin(), per_frame.end(), [](double v) { return v > 0.5; });
  return {mean_of(per_frame, 0, n - 1), double(good) / double(n),
          mean_of(per_frame, 0, border(1)) - mean_of(per_frame, border(3), n - 1)};
}

}  // namespace munet
