// A made-up data set and results for it, which `munet evaluate` scores.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "tests/made_up_masks.h"
#include "tests/program.h"

inline constexpr int kWidth = 40, kHeight = 30;

// A mask of shapes: each id over those before it.
inline munet::Mask shapes(const std::map<int, std::string>& objects, int width = kWidth,
                          int height = kHeight) {
  munet::Mask mask{width, height, std::vector<uint8_t>(std::size_t(width * height)),
                   munet::davis_palette()};
  for (const auto& [id, words] : objects) {
    const std::vector<uint8_t> region = draw(width, height, words);
    for (std::size_t i = 0; i < region.size(); ++i)
      if (region[i]) mask.ids[i] = uint8_t(id);
  }
  return mask;
}

struct Tree {
  TemporaryFolder folder;
  std::filesystem::path dataset = folder / "dataset", results = folder / "results";

  std::filesystem::path truth(const std::string& sequence, int t) const {
    return dataset / "Annotations/480p" / sequence / ("0000" + std::to_string(t) + ".png");
  }
  std::filesystem::path result(const std::string& sequence, int t) const {
    return results / sequence / ("0000" + std::to_string(t) + ".png");
  }
  static void save(const std::filesystem::path& path, const munet::Mask& mask) {
    std::filesystem::create_directories(path.parent_path());
    munet::write_mask(path, mask);
  }
  void list(const std::string& set, const std::string& lines) const {
    const std::filesystem::path file = dataset / "ImageSets" / (set + ".txt");
    std::filesystem::create_directories(file.parent_path());
    spill(file, lines);
  }
  Result evaluate(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> all = {"evaluate", results.string(), "--dataset", dataset.string()};
    all.insert(all.end(), more.begin(), more.end());
    return munet_program(all);
  }
  std::string per_sequence(const std::string& set = "val") const {
    return slurp(results / ("per-sequence_results-" + set + ".csv"));
  }
};

// DAVIS 2017 with one sequence of five frames: objects 1 and 2, perfect results.
struct SmallTree : Tree {
  SmallTree() {
    list("2017/val", "duck\n");
    for (int t = 0; t < 5; ++t) save(truth("duck", t), both()), save(result("duck", t), both());
  }
  static munet::Mask both() { return shapes({{1, "e 10 10 6 7"}, {2, "r 22 5 31 20"}}); }
};
