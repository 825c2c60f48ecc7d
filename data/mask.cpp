// Reading and writing masks; the rules for ids are those that data sets of this field follow.
#include "data/mask.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>

#include "data/file.h"
#include "data/png.h"
#include "tensor/error.h"

namespace munet {
namespace {

std::array<int64_t, 256> histogram(const std::vector<uint8_t>& values) {
  std::array<int64_t, 256> count{};
  for (const uint8_t value : values) ++count[value];
  return count;
}

}  // namespace

Mask read_mask(const std::filesystem::path& path) {
  const std::vector<uint8_t> bytes = read_file("read_mask", path);
  constexpr std::array<uint8_t, 8> kPng{0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
  check<FileError>(bytes.size() >= 8 && std::memcmp(bytes.data(), kPng.data(), 8) == 0,
                   "read_mask: ", path.string(),
                   ": expected a PNG with a palette or 8-bit grey; found another kind of file; "
                   "masks need exact numbers, which JPEG does not keep");
  PngSamples png = decode_png_samples(bytes, path);
  const std::array<int64_t, 256> count = histogram(png.values);
  const auto ids = std::count_if(count.begin() + 1, count.end(), [](int64_t n) { return n > 0; });
  check<FileError>(!png.palette.empty() || ids <= kMaxGreyIds, "read_mask: ", path.string(),
                   ": expected object ids; found ", ids,
                   " different grey values, which looks like "
                   "soft edges; make it black and white, or save ids with a palette");
  std::array<uint8_t, 256> id;
  for (int value = 0; value < 256; ++value) id[std::size_t(value)] = uint8_t(value);
  const bool white_only = ids == 1 && count[std::size_t(png.white)] > 0;
  if (white_only)
    id[std::size_t(png.white)] = 1;
  else
    id[255] = 0;
  for (uint8_t& value : png.values) value = id[value];
  return {png.width, png.height, std::move(png.values), std::move(png.palette)};
}

void write_mask(const std::filesystem::path& path, const Mask& mask) {
  std::vector<uint8_t> palette = davis_palette();
  const std::size_t own = std::min(mask.palette.size(), palette.size());
  std::copy_n(mask.palette.begin(), own, palette.begin());
  write_file("write_mask", path, encode_png(mask.width, mask.height, mask.ids, palette));
}

std::vector<uint8_t> davis_palette() {
  std::vector<uint8_t> palette(768);
  for (int i = 0; i < 256; ++i)
    for (int j = 0; j < 8; ++j)
      for (int channel = 0; channel < 3; ++channel)
        if (3 * j + channel < 8 && (i >> (3 * j + channel) & 1))
          palette[std::size_t(3 * i + channel)] |= uint8_t(128 >> j);
  return palette;
}

std::vector<int> ids_in(const Mask& mask) {
  const std::array<int64_t, 256> count = histogram(mask.ids);
  std::vector<int> ids;
  for (int id = 1; id < 256; ++id)
    if (count[std::size_t(id)] > 0) ids.push_back(id);
  return ids;
}

}  // namespace munet
