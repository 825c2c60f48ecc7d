// Masks as COCO stores them: runs of the pixels column by column, and the text form of these runs
// (pycocotools' "counts").
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "data/mask.h"

namespace munet {

struct Rle {
  std::vector<uint32_t> counts;  // lengths of runs: outside, inside, outside, ...; first may be 0
  int64_t area = 0;              // pixels inside
  int x = 0, y = 0, width = 0, height = 0;  // bounding box, pixels
};

// Of every object of the mask, by id.
std::map<int, Rle> encode_rle(const Mask& mask);

// counts as text: differences to the count two before, five bits a character from '0' on, the sixth
// bit says that more follow. And back: Error on text that is none.
std::string rle_text(const std::vector<uint32_t>& counts);
std::vector<uint32_t> parse_rle(const std::string& text);

}  // namespace munet
