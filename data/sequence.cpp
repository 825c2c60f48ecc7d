// Natural order, and what counts as a frame.
#include "data/sequence.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <system_error>

#include "tensor/error.h"

namespace munet {
namespace {

namespace fs = std::filesystem;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_picture(const fs::path& path) {
  std::string extension = path.extension().string();
  for (char& c : extension) c = char(std::tolower(static_cast<unsigned char>(c)));
  constexpr std::array kExtensions{".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".pgm", ".pnm", ".tga"};
  return std::find(kExtensions.begin(), kExtensions.end(), extension) != kExtensions.end();
}

}  // namespace

bool natural_less(std::string_view a, std::string_view b) {
  std::size_t i = 0, j = 0;
  while (i < a.size() && j < b.size()) {
    if (!is_digit(a[i]) || !is_digit(b[j])) {
      if (a[i] != b[j]) return static_cast<unsigned char>(a[i]) < static_cast<unsigned char>(b[j]);
      ++i, ++j;
      continue;
    }
    // Without leading zeros the longer run is the larger number.
    while (i < a.size() && a[i] == '0') ++i;
    while (j < b.size() && b[j] == '0') ++j;
    std::size_t end_i = i, end_j = j;
    while (end_i < a.size() && is_digit(a[end_i])) ++end_i;
    while (end_j < b.size() && is_digit(b[end_j])) ++end_j;
    if (end_i - i != end_j - j) return end_i - i < end_j - j;
    const int order = a.substr(i, end_i - i).compare(b.substr(j, end_j - j));
    if (order != 0) return order < 0;
    i = end_i, j = end_j;
  }
  const std::size_t rest_a = a.size() - i, rest_b = b.size() - j;
  if (rest_a != rest_b) return rest_a < rest_b;
  return a.size() != b.size() ? a.size() < b.size() : a < b;  // 1 before 01; never both ways
}

FrameFolder list_frames(const fs::path& folder) {
  std::error_code error;
  fs::directory_iterator entries(folder, error);
  check<FileError>(!error, "list_frames: cannot read the folder ", folder.string(), ": ",
                   error.message());
  FrameFolder out;
  for (; entries != fs::directory_iterator(); entries.increment(error)) {
    const fs::path path = entries->path();
    const std::string name = path.filename().string();
    std::error_code unknown;
    if (name.starts_with('.') || entries->is_directory(unknown)) continue;
    if (is_picture(path))
      out.frames.push_back(path);
    else
      out.ignored.push_back(name);
  }
  check<FileError>(!error, "list_frames: cannot read the folder ", folder.string(), ": ",
                   error.message());
  check<FileError>(!out.frames.empty(),
                   "list_frames: expected pictures (JPEG, PNG, BMP, PNM, TGA) in ", folder.string(),
                   "; found none among ", out.ignored.size(), " files");
  std::sort(out.frames.begin(), out.frames.end(), [](const fs::path& a, const fs::path& b) {
    return natural_less(a.filename().string(), b.filename().string());
  });
  std::sort(out.ignored.begin(), out.ignored.end());
  std::map<std::string, fs::path> stems;
  for (const fs::path& frame : out.frames) {
    const auto [other, fresh] = stems.emplace(frame.stem().string(), frame);
    check<FileError>(fresh, "list_frames: expected one picture per name in ", folder.string(),
                     "; found ", other->second.filename().string(), " and ",
                     frame.filename().string());
  }
  return out;
}

}  // namespace munet
