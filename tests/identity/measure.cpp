// Does each mask stay with its man? Over masks of a clip and boxes of where the men are:
//   identity_measure MASKS BOXES
// BOXES has lines "FRAME ID X Y WIDTH HEIGHT" in pixels, frames ascending for each id; between two
// of them a box moves evenly. A frame's mask is MASKS/FRAME.png, digits in front as they come; the
// first, which was given, does not count. Prints for each object what its mask is made of.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>

#include "data/mask.h"
#include "tensor/error.h"

using namespace munet;
namespace fs = std::filesystem;

namespace {

constexpr int kLeastArea = 20;    // pixels; a smaller area is a speck, not a second man
constexpr double kAround = 0.25;  // of its sides, by which a box is wider all around

struct Box {
  double x, y, width, height;
  bool holds(double px, double py) const {
    return std::abs(px - x - width / 2) <= (0.5 + kAround) * width &&
           std::abs(py - y - height / 2) <= (0.5 + kAround) * height;
  }
};
using Way = std::map<int, Box>;  // of one man, by frame

std::map<int, Way> read_ways(const fs::path& path) {
  std::ifstream in(path);
  std::map<int, Way> ways;
  int frame, id;
  for (Box b; in >> frame >> id >> b.x >> b.y >> b.width >> b.height;) ways[id][frame] = b;
  check<FileError>(!ways.empty() && in.eof(), path.string(),
                   ": expected lines FRAME ID X Y WIDTH HEIGHT");
  return ways;
}

Box box_at(const Way& way, int frame) {
  const auto after = way.lower_bound(frame);
  check(after != way.end() && (after != way.begin() || after->first == frame),
        "identity_measure: no box reaches frame ", frame);
  if (after->first == frame) return after->second;
  const auto& [from, a] = *std::prev(after);
  const auto& [to, b] = *after;
  const double s = double(frame - from) / double(to - from);
  return {a.x + s * (b.x - a.x), a.y + s * (b.y - a.y), a.width + s * (b.width - a.width),
          a.height + s * (b.height - a.height)};
}

// What is marked as one object in one frame.
struct Marked {
  int64_t pixels = 0, inside = 0;  // inside: of its box
  int areas = 0;                   // connected, also over corners
  bool centred = false;            // its centre of gravity lies in the box
};

Marked look(const Mask& mask, int id, const Box& box) {
  Marked marked;
  double sum_x = 0, sum_y = 0;
  std::vector<bool> seen(mask.ids.size());
  std::vector<int> open;
  const auto visit = [&](int x, int y) {
    if (x < 0 || y < 0 || x >= mask.width || y >= mask.height) return;
    const int i = y * mask.width + x;
    if (mask.ids[std::size_t(i)] != id || seen[std::size_t(i)]) return;
    seen[std::size_t(i)] = true;
    open.push_back(i);
  };
  for (int start = 0; start < mask.width * mask.height; ++start) {
    int64_t area = 0;
    visit(start % mask.width, start / mask.width);
    for (; !open.empty(); ++area) {
      const int x = open.back() % mask.width, y = open.back() / mask.width;
      open.pop_back();
      sum_x += x, sum_y += y;
      marked.inside += box.holds(x, y);
      for (int dy = -1; dy <= 1; ++dy)
        for (int dx = -1; dx <= 1; ++dx) visit(x + dx, y + dy);
    }
    marked.pixels += area;
    marked.areas += area >= kLeastArea;
  }
  const double n = double(marked.pixels);
  marked.centred = n > 0 && box.holds(sum_x / n, sum_y / n);
  return marked;
}

void measure(const fs::path& masks, const std::map<int, Way>& ways) {
  std::map<int, fs::path> files;
  for (const fs::directory_entry& file : fs::directory_iterator(masks))
    if (file.path().extension() == ".png") files[std::stoi(file.path().stem())] = file.path();
  check<FileError>(files.size() > 1, masks.string(), ": expected masks of two frames or more");
  std::map<int, bool> apart;  // by frame
  std::printf(
      "| object | areas, mean (most) | pixels in its box | centre in its box | kept | area, "
      "last / first |\n|---|---|---|---|---|---|\n");
  for (const auto& [id, way] : ways) {
    int64_t first = 0, last = 0;
    int frames = 0, areas = 0, most = 0, centred = 0, kept = 0;
    double inside = 0;
    for (const auto& [frame, file] : files) {
      const Marked marked = look(read_mask(file), id, box_at(way, frame));
      last = marked.pixels;
      if (frame == files.begin()->first) {
        first = marked.pixels;
        continue;
      }
      ++frames;
      areas += marked.areas, most = std::max(most, marked.areas), centred += marked.centred;
      inside += marked.pixels ? double(marked.inside) / double(marked.pixels) : 0;
      // Not lost, and not shared with others.
      const bool good = 4 * marked.inside >= first && 4 * marked.inside >= 3 * marked.pixels;
      kept += good;
      apart.try_emplace(frame, true).first->second &= good;
    }
    check(first > 0, "identity_measure: the first mask has no object ", id);
    std::printf("| %d | %.1f (%d) | %.0f %% | %d of %d | %d of %d | %.2f |\n", id,
                double(areas) / frames, most, 100 * inside / frames, centred, frames, kept, frames,
                double(last) / double(first));
  }
  std::printf("\nAll kept apart in %td of %zu frames.\n",
              std::count_if(apart.begin(), apart.end(), [](const auto& a) { return a.second; }),
              apart.size());
}

}  // namespace

int main(int argc, char** argv) {
  try {
    check(argc == 3, "usage: identity_measure MASKS BOXES");
    measure(argv[1], read_ways(argv[2]));
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 2;
  }
}
