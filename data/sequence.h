// Folders of frames.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace munet {

struct FrameFolder {
  std::vector<std::filesystem::path> frames;  // in natural order; stems are unique
  std::vector<std::string> ignored;           // names of files that are not pictures, for a notice
};

// The pictures of a folder (told by their extension, so that a damaged one is an error later and
// not left out), in natural order. Subfolders and hidden files do not count. FileError if the
// folder is missing, unreadable or without a picture, or if two pictures share a stem (a.jpg and
// a.png would give the same a.png).
FrameFolder list_frames(const std::filesystem::path& folder);

// a before b as people count: runs of digits compare as numbers (frame2 < frame10), the rest byte
// by byte; equal numbers (1, 01) by length.
bool natural_less(std::string_view a, std::string_view b);

}  // namespace munet
