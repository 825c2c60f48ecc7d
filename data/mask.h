// Masks: one object id per pixel, in palette or grey PNG files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

namespace munet {

struct Mask {
  int width = 0, height = 0;     // pixels
  std::vector<uint8_t> ids;      // [height, width]: 0 = background, 1..254 = objects
  std::vector<uint8_t> palette;  // the file's RGB triples; empty if it had none
  bool painted = false;          // the file had colours, which became ids
};

// Reads a palette PNG (ids are the indices) or a grey one of 1 to 8 bits (ids are the values; alpha
// is dropped). Where only 0 and white (255; 1, 3 or 15 in grey files of fewer bits) occur, white
// is one object, id 1; otherwise 255 is void and read as background. No object is not an error.
// Or reads an 8-bit RGB PNG from a paint program: black or transparent is background, every other
// colour an object; ids as in davis_palette() if all are colours of it, else 1, 2, ... by colour.
// FileError (path, what was found, how to mend it) as read_image, and for 16-bit PNGs, other kinds
// of picture, and what looks like soft edges: more than kMaxGreyIds values in a grey file, more
// than kMaxColors colours or half-transparent pixels in a painted one.
Mask read_mask(const std::filesystem::path& path);
inline constexpr int kMaxGreyIds = 64, kMaxColors = 32;

// The same, but white alone and void both stay 255: for whoever knows from other files which it is.
Mask read_mask_keeping_white(const std::filesystem::path& path);

// Writes an 8-bit palette PNG under a temporary name and renames it. The palette is the mask's own,
// continued by davis_palette() up to the largest id. ShapeError unless ids has width * height
// bytes; FileError if it cannot be written.
void write_mask(const std::filesystem::path& path, const Mask& mask);

// The 256 colours (RGB triples) of PASCAL VOC and DAVIS: bit 7 - j of red, green and blue of colour
// i are bits 3j, 3j + 1 and 3j + 2 of i.
std::vector<uint8_t> davis_palette();

// The ids in use, ascending, without 0.
std::vector<int> ids_in(const Mask& mask);

}  // namespace munet
