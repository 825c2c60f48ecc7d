// One pass over the columns serves all objects: a run of one is outside for all others.
#include "data/rle.h"

#include <algorithm>

#include "tensor/error.h"

namespace munet {

std::map<int, Rle> encode_rle(const Mask& mask) {
  struct Object {
    Rle rle;
    uint32_t end = 0;  // of its last run
    int left, right, top, bottom;
  };
  std::map<int, Object> objects;
  const auto pixels = uint32_t(mask.ids.size());
  const int height = mask.height;
  const auto add = [&](int id, uint32_t begin, uint32_t end) {
    if (id == 0 || begin == end) return;
    const int left = int(begin) / height, right = int(end - 1) / height;
    // A run that goes on in the next column touches the lowest and the highest row.
    const int top = left == right ? int(begin) % height : 0;
    const int bottom = left == right ? int(end - 1) % height : height - 1;
    auto [found, fresh] = objects.try_emplace(id, Object{{}, 0, left, right, top, bottom});
    Object& object = found->second;
    object.right = right;
    object.top = std::min(object.top, top);
    object.bottom = std::max(object.bottom, bottom);
    object.rle.counts.insert(object.rle.counts.end(), {begin - object.end, end - begin});
    object.rle.area += end - begin;
    object.end = end;
  };
  int id = 0;
  uint32_t begin = 0, at = 0;
  for (int x = 0; x < mask.width; ++x)
    for (int y = 0; y < height; ++y, ++at) {
      const int here = mask.ids[std::size_t(y) * std::size_t(mask.width) + std::size_t(x)];
      if (here == id) continue;
      add(id, begin, at);
      id = here;
      begin = at;
    }
  add(id, begin, pixels);
  std::map<int, Rle> result;
  for (auto& [object_id, object] : objects) {
    Rle& rle = result[object_id] = std::move(object.rle);
    if (object.end < pixels) rle.counts.push_back(pixels - object.end);
    rle.x = object.left;
    rle.y = object.top;
    rle.width = object.right - object.left + 1;
    rle.height = object.bottom - object.top + 1;
  }
  return result;
}

std::string rle_text(const std::vector<uint32_t>& counts) {
  std::string text;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    int64_t value = int64_t(counts[i]) - (i > 2 ? int64_t(counts[i - 2]) : 0);
    for (bool more = true; more;) {
      const int bits = int(value & 31);
      value >>= 5;
      more = bits & 16 ? value != -1 : value != 0;  // the top bit given is the sign
      text += char('0' + bits + (more ? 32 : 0));
    }
  }
  return text;
}

std::vector<uint32_t> parse_rle(const std::string& text) {
  std::vector<uint32_t> counts;
  for (std::size_t at = 0; at < text.size();) {
    int64_t value = 0;
    int bits = 0, shift = 0;
    do {
      bits = at < text.size() && shift < 35 ? text[at++] - '0' : -1;
      check(bits >= 0 && bits < 64, "parse_rle: expected COCO's compressed counts; given \"", text,
            "\"");
      value |= int64_t(bits & 31) << shift;
      shift += 5;
    } while (bits & 32);
    if (bits & 16) value -= int64_t{1} << shift;
    if (counts.size() > 2) value += counts[counts.size() - 2];
    check(value >= 0 && value <= int64_t{UINT32_MAX},
          "parse_rle: expected COCO's compressed counts; given \"", text, "\"");
    counts.push_back(uint32_t(value));
  }
  return counts;
}

}  // namespace munet
