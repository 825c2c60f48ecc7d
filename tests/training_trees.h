// Small made-up data sets for training, each in its authors' layout.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "data/file.h"
#include "data/image.h"
#include "data/jpeg.h"
#include "data/mask.h"
#include "data/png.h"
#include "data/shapes.h"
#include "tests/pictures.h"
#include "tests/support.h"

// Soft waves of one colour per `hue`.
inline munet::Image waves(int width, int height, int hue) {
  munet::Image image{width, height, {}};
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < 3; ++c)
        image.rgb.push_back(
            uint8_t(128 + 60 * std::sin(x / 5.0 + hue) + 50 * std::cos(y / 7.0 + c + hue)));
  return image;
}

// Boxes: id -> x, y, width, height.
using Boxes = std::map<int, std::vector<double>>;
inline munet::Mask boxes(int width, int height, const Boxes& all) {
  munet::Mask mask{
      width, height, std::vector<uint8_t>(std::size_t(width) * std::size_t(height)), {}};
  for (const auto& [id, box] : all) fill_box(mask, id, box[0], box[1], box[2], box[3]);
  return mask;
}

inline void save_jpeg(const std::filesystem::path& path, const munet::Image& image) {
  std::filesystem::create_directories(path.parent_path());
  munet::write_file("test", path, munet::encode_jpeg(image, 92));
}
inline void save_mask(const std::filesystem::path& path, const munet::Mask& mask) {
  std::filesystem::create_directories(path.parent_path());
  munet::write_mask(path, mask);
}
// As 8-bit grey: `values[id]` for each id.
inline void save_grey(const std::filesystem::path& path, const munet::Mask& mask,
                      const std::map<int, int>& values) {
  std::filesystem::create_directories(path.parent_path());
  std::vector<uint8_t> grey;
  for (const uint8_t id : mask.ids) grey.push_back(uint8_t(values.at(id)));
  munet::write_file("test", path,
                    munet::encode_png(mask.width, mask.height, grey, munet::PngKind::grey8));
}
inline void save_text(const std::filesystem::path& path, const std::string& text) {
  std::filesystem::create_directories(path.parent_path());
  spill(path, text);
}

inline std::string number(int t) { return "0000" + std::to_string(t); }

// A video of `count` frames 96x64: objects 1 and 4 move right by 2 pixels a frame.
inline void save_video(const std::filesystem::path& frames, const std::filesystem::path& masks,
                       int count, int hue = 0) {
  for (int t = 0; t < count; ++t) {
    save_jpeg(frames / (number(t) + ".jpg"), waves(96, 64, hue));
    save_mask(masks / (number(t) + ".png"),
              boxes(96, 64, {{1, {10.0 + 2 * t, 8, 30, 40}}, {4, {50.0 + 2 * t, 20, 20, 25}}}));
  }
}

// DAVIS 2017 and 2016 with the videos duck and goose (hand: frames only, in no list).
struct DavisTree {
  TemporaryFolder folder;
  std::filesystem::path root = folder / "davis";
  explicit DavisTree(int count = 6) {
    for (const char* name : {"duck", "goose"})
      save_video(frames(name), masks(name), count, name[0]);
    save_text(root / "ImageSets/2017/train.txt", "duck\ngoose\n");
    save_text(root / "ImageSets/2016/train.txt",
              "/JPEGImages/480p/duck/00000.jpg /Annotations/480p/duck/00000.png\n");
  }
  std::filesystem::path frames(const std::string& name) const {
    return root / "JPEGImages/480p" / name;
  }
  std::filesystem::path masks(const std::string& name) const {
    return root / "Annotations/480p" / name;
  }
};
