// J and F, the two measures of DAVIS (Perazzi et al., CVPR 2016), number for number as the official
// code (davisvideochallenge/davis2017-evaluation) computes them.
#pragma once

#include <cstdint>
#include <vector>

namespace munet {

// A set of pixels, one bit each. Rows are padded to whole words; the padding is 0.
struct Region {
  int width = 0, height = 0;
  std::vector<uint64_t> words;  // [height, words_per_row]; pixel x is bit x % 64 of word x / 64
  Region(int width, int height);
  int words_per_row() const { return (width + 63) / 64; }
  uint64_t* row(int y) { return words.data() + int64_t(y) * words_per_row(); }
  const uint64_t* row(int y) const { return words.data() + int64_t(y) * words_per_row(); }
};

// The pixels of ids [height, width] that are `id`. ShapeError unless ids has that many.
Region region_of(const std::vector<uint8_t>& ids, int width, int height, int id);

// J = |truth and result| / |truth or result|; 1 if both are empty. ShapeError if sizes differ.
double region_similarity(const Region& truth, const Region& result);

// Pixels in both. ShapeError if sizes differ.
int64_t overlap(const Region& a, const Region& b);

// F = 2 P R / (P + R), 0 if P + R is. P: the share of the result's boundary at most
// boundary_tolerance() from the truth's; R: the other way round. No boundary in the result alone:
// P = 1, R = 0; in the truth alone: P = 0, R = 1; in neither: F = 1. ShapeError if sizes differ.
double boundary_accuracy(const Region& truth, const Region& result);

// ceil(0.008 * diagonal) pixels.
int boundary_tolerance(int width, int height);

// The pixels that differ from their right, lower or lower right neighbour, where there is one. The
// last pixel of all never counts.
Region boundary(const Region& region);

// The pixels with one of the region's at most `radius` away: dx^2 + dy^2 <= radius^2.
Region dilate(const Region& region, int radius);

// Over the frames of one object. recall: the share of values above 0.5. decay: the mean of the
// first quarter less that of the last; frame i (from 0) is the border between quarters q and q + 1
// if it is q (n - 1) / 4 rounded half up, and counts in both. The official code keeps these borders
// in a byte, so its decay is another (or none) from 256 frames on; this one is right. ShapeError if
// there are none.
struct Statistics {
  double mean, recall, decay;
};
Statistics statistics(const std::vector<double>& per_frame);

}  // namespace munet
