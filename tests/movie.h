// The small made-up video of program.h as an MP4, and what comes out of the program for it.
#pragma once

#include <string>
#include <vector>

#include "data/video.h"
#include "tests/program.h"

// Skips, loudly, where there is nothing to write a film with.
struct Movie : Video {
  std::filesystem::path path = folder / "movie.mp4";
  explicit Movie(int count = 4) : Video(count) {
    try {
      munet::VideoWriter writer(path, kWidth, kHeight, 10);
      for (int t = 0; t < count; ++t) writer.write(picture(t, kWidth, kHeight), 0.1 * t);
      writer.finish();
    } catch (const munet::FileError& e) {
      skip(e.what());
    }
  }
  bool made() const { return std::filesystem::exists(path); }
  Result segment(const std::vector<std::string>& more = {},
                 const std::function<void()>& before = {}) const {
    std::vector<std::string> all = arguments();
    all[1] = path.string();
    std::erase(all, "--force");
    all.insert(all.end(), more.begin(), more.end());
    return munet_program(all, before);
  }
  munet::Mask result(const std::string& name) const { return munet::read_mask(out / name); }
};

inline std::vector<munet::Image> decode(const std::filesystem::path& path) {
  munet::VideoReader reader(path);
  std::vector<munet::Image> images;
  for (munet::VideoFrame frame; reader.next(frame);) images.push_back(frame.image);
  return images;
}

// The sum of the differences of red, green and blue.
inline int distance(const uint8_t* a, const uint8_t* b) {
  return std::abs(a[0] - b[0]) + std::abs(a[1] - b[1]) + std::abs(a[2] - b[2]);
}

inline const uint8_t* at(const munet::Image& image, int x, int y) {
  return image.rgb.data() + 3 * (y * image.width + x);
}
