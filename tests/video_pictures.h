// Made-up videos for tests: frames that tell their number and which way is up, encoded by the
// `ffmpeg` program.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

#include "data/image.h"
#include "tests/support.h"

// False, and a loud skip, without the program.
inline bool have_ffmpeg() {
  static const bool found = std::system("ffmpeg -version >/dev/null 2>&1") == 0;
  if (!found) skip("no video test: the program ffmpeg is not there");
  return found;
}

// Runs `ffmpeg ARGUMENTS`, quietly; false if it fails.
inline bool ffmpeg(const std::string& arguments) {
  return std::system(
             ("ffmpeg -hide_banner -loglevel error -y " + arguments + " </dev/null").c_str()) == 0;
}

// Quarters: red, green / blue, and grey of the value 20 + 12 t.
inline munet::Image quarters(int t, int width, int height) {
  munet::Image image{width, height, {}};
  const auto grey = uint8_t(20 + 12 * t);
  const uint8_t colors[4][3] = {{200, 30, 30}, {30, 180, 30}, {30, 30, 200}, {grey, grey, grey}};
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      const uint8_t* color = colors[2 * (2 * y >= height) + (2 * x >= width)];
      image.rgb.insert(image.rgb.end(), color, color + 3);
    }
  return image;
}

// The names of the quarters' colours in reading order, such as "RGB4": red, green, blue, frame 4.
inline std::string read_quarters(const munet::Image& image) {
  std::string text;
  for (const int y : {image.height / 4, image.height * 3 / 4})
    for (const int x : {image.width / 4, image.width * 3 / 4}) {
      const uint8_t* p = image.rgb.data() + 3 * (std::ptrdiff_t(y) * image.width + x);
      const auto strong = [&](int c) {
        return p[c] > 150 && p[(c + 1) % 3] < 90 && p[(c + 2) % 3] < 90;
      };
      if (strong(0))
        text += 'R';
      else if (strong(1))
        text += 'G';
      else if (strong(2))
        text += 'B';
      else
        text += std::to_string((p[1] - 20 + 6) / 12);
    }
  return text;
}

// `count` frames of quarters as pictures of `folder`; the input arguments for ffmpeg().
inline std::string quarter_frames(const std::filesystem::path& folder, int count, int width,
                                  int height) {
  std::filesystem::create_directories(folder);
  for (int t = 0; t < count; ++t)
    munet::write_png_rgb(folder / (std::to_string(t) + ".png"), quarters(t, width, height));
  return "-framerate 10 -start_number 0 -i '" + (folder / "%d.png").string() + "' ";
}
