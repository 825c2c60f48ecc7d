// Training packs: annotated videos and stills in one file, made small once, so that reading them
// costs training next to nothing.
//
//   8 bytes "munetpk1"; offset and size of the index, 64 bits each, low byte first; the index's
//   SHA-256 as 64 hexadecimal digits; then the frames' JPEGs and masks; at the end the index, JSON:
//   {"format": 1, "side": 288, "quality": 80, "items": [{"part", "name", "still", "kinds": {ID:
//   KIND},
//     "frames": [[NAME, width, height, offset, bytes, hash, offset, bytes, hash], ...]}, ...]}
// with JPEG and mask of each frame and their FNV-1a hashes (random.h: name_seed). A mask is a line
// "ID RUNS" for each object: rle_text of the runs along rows.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "data/training_set.h"

namespace munet {

// A pack as a training set, mapped into memory. list: "videos", "stills", names of its parts joined
// by "+", or empty for all. FileError (path, what was expected) if it is no pack, not whole,
// damaged or holds numbers that make no sense; or if list or without name what it does not hold.
std::unique_ptr<TrainingSet> open_pack(const std::filesystem::path& path, const std::string& list,
                                       const std::vector<std::string>& without);

struct PackOptions {
  int side = 480;          // of the pictures, the shorter one; smaller ones stay as they are
  int quality = 90;        // of their JPEGs, 1..100
  uint64_t max_bytes = 0;  // if not 0: side and quality are chosen, the best that fit
  bool resume = false;     // go on with what an interrupted call with the same data left behind
};

struct PackResult {
  int side = 0, quality = 0;
  std::size_t items = 0, frames = 0, resumed = 0;  // resumed: items that were there already
  uint64_t bytes = 0;
  std::vector<std::string> left_out;  // files that could not be used and why, one line each
};

// Writes PATH.part and PATH.part.index (what is done so far, one line per item), then renames.
// progress(frames done, all) may throw to stop; what was written stays for `resume`. FileError if
// the data do not fit, if more than one and more than a fiftieth of the frames cannot be used, if
// there is nothing to resume or it was begun with other data, and if writing fails.
PackResult write_pack(const std::filesystem::path& path,
                      const std::vector<std::unique_ptr<TrainingSet>>& sets,
                      const PackOptions& options,
                      const std::function<void(std::size_t, std::size_t)>& progress = {});

// The mask's lines, and back: Error unless they describe width x height pixels.
std::string pack_mask(const Mask& mask);
Mask unpack_mask(std::string_view text, int width, int height);

}  // namespace munet
