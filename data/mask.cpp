// Reading and writing masks; the rules for ids are those that data sets of this field follow.
#include "data/mask.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <map>
#include <string>

#include "data/file.h"
#include "data/png.h"
#include "tensor/error.h"

namespace munet {
namespace {

std::array<int64_t, 256> histogram(const std::vector<uint8_t>& values) {
  std::array<int64_t, 256> count{};
  std::size_t i = 0;
  for (; i + 8 <= values.size(); i += 8) {  // mostly eight alike
    uint64_t eight;
    std::memcpy(&eight, &values[i], 8);
    if (eight == values[i] * 0x0101010101010101u)
      count[values[i]] += 8;
    else
      for (std::size_t k = i; k < i + 8; ++k) ++count[values[k]];
  }
  for (; i < values.size(); ++i) ++count[values[i]];
  return count;
}

using Color = std::array<uint8_t, 3>;

// "#fe0000 (3 pixels), ...": the rarest colours, which soft edges leave behind.
std::string rarest(const std::map<Color, int64_t>& colors) {
  std::vector<std::pair<int64_t, Color>> by_count;
  for (const auto& [color, count] : colors) by_count.emplace_back(count, color);
  std::sort(by_count.begin(), by_count.end());
  std::string text;
  for (std::size_t i = 0; i < std::min<std::size_t>(by_count.size(), 3); ++i) {
    const auto& [count, c] = by_count[i];
    char part[48];
    std::snprintf(part, sizeof part, "%s#%02x%02x%02x (%lld pixels)", i ? ", " : "", c[0], c[1],
                  c[2], static_cast<long long>(count));
    text += part;
  }
  return text;
}

// The ids of colours by davis_palette(), if it has them all; else in ascending order.
std::map<Color, uint8_t> ids_of(const std::map<Color, int64_t>& colors) {
  const std::vector<uint8_t> davis = davis_palette();
  std::map<Color, uint8_t> known, ids;
  for (std::size_t id = 254; id > 0; --id)
    known[{davis[3 * id], davis[3 * id + 1], davis[3 * id + 2]}] = uint8_t(id);
  const bool all = std::all_of(colors.begin(), colors.end(),
                               [&](const auto& color) { return known.count(color.first) > 0; });
  for (const auto& [color, count] : colors)
    ids[color] = all ? known.at(color) : uint8_t(ids.size() + 1);
  return ids;
}

Mask read_painted(const std::vector<uint8_t>& bytes, const std::filesystem::path& path) {
  constexpr std::size_t kEnough = 1000;  // colours to count: more make no difference
  const PngColors image = decode_png_rgba(bytes, path);
  const std::size_t pixels = image.rgba.size() / 4;
  std::map<Color, int64_t> colors;
  int64_t background = 0, half = 0;
  for (std::size_t i = 0; i < pixels && colors.size() < kEnough; ++i) {
    const uint8_t* p = image.rgba.data() + 4 * i;
    if (p[3] != 0 && p[3] != 255) ++half;
    if (p[3] == 0 || (p[0] == 0 && p[1] == 0 && p[2] == 0))
      ++background;
    else
      ++colors[{p[0], p[1], p[2]}];
  }
  const auto fail = [&](const auto&... what) {
    throw FileError(str("read_mask: ", path.string(), ": expected ", what...));
  };
  const char* hint =
      "; paint with a hard pencil (anti-aliasing and feathering off) and save as PNG";
  if (colors.size() > kMaxColors)
    fail("at most ", kMaxColors, " flat colours, one per object; found ",
         colors.size() < kEnough ? "" : "at least ", colors.size(),
         ", which looks like soft edges or a photograph, the rarest ", rarest(colors), hint);
  if (half > 0)
    fail("pixels that are opaque or transparent; found ", half,
         " half-transparent ones, which looks like soft edges", hint);
  if (background == 0)
    fail("black or transparent where there is no object; found ", colors.size(),
         " other colours everywhere; paint the background black");
  const std::map<Color, uint8_t> ids = ids_of(colors);
  Mask mask{image.width, image.height, std::vector<uint8_t>(pixels), {}, true};
  for (std::size_t i = 0; i < pixels; ++i) {
    const uint8_t* p = image.rgba.data() + 4 * i;
    const auto id = p[3] ? ids.find({p[0], p[1], p[2]}) : ids.end();
    if (id != ids.end()) mask.ids[i] = id->second;
  }
  mask.palette = davis_palette();
  for (const auto& [color, id] : ids)
    std::copy(color.begin(), color.end(), mask.palette.begin() + 3 * id);
  return mask;
}

// white_alone, void_id: what white becomes where nothing else occurs, and what 255 becomes else.
Mask read(const std::filesystem::path& path, uint8_t white_alone, uint8_t void_id) {
  const std::vector<uint8_t> bytes = read_file("read_mask", path);
  constexpr std::array<uint8_t, 8> kPng{0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
  check<FileError>(bytes.size() >= 8 && std::memcmp(bytes.data(), kPng.data(), 8) == 0,
                   "read_mask: ", path.string(),
                   ": expected a PNG with a palette or 8-bit grey; found another kind of file; "
                   "masks need exact numbers, which JPEG does not keep");
  if (is_rgb_png(bytes)) return read_painted(bytes, path);
  PngSamples png = decode_png_samples(bytes, path);
  const std::array<int64_t, 256> count = histogram(png.values);
  const auto ids = std::count_if(count.begin() + 1, count.end(), [](int64_t n) { return n > 0; });
  check<FileError>(!png.palette.empty() || ids <= kMaxGreyIds, "read_mask: ", path.string(),
                   ": expected object ids; found ", ids,
                   " different grey values, which looks like "
                   "soft edges; make it black and white, or save ids with a palette");
  const bool white_only = ids == 1 && count[std::size_t(png.white)] > 0;
  const uint8_t from = white_only ? uint8_t(png.white) : 255,
                to = white_only ? white_alone : void_id;
  if (from != to)
    for (uint8_t& value : png.values) value = value == from ? to : value;
  return {png.width, png.height, std::move(png.values), std::move(png.palette)};
}

}  // namespace

Mask read_mask(const std::filesystem::path& path) { return read(path, 1, 0); }

Mask read_mask_keeping_white(const std::filesystem::path& path) { return read(path, 255, 255); }

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
