// Data sets in DAVIS's layout:
//   ROOT/JPEGImages/RESOLUTION/SEQUENCE/00000.jpg
//   ROOT/Annotations/RESOLUTION/SEQUENCE/00000.png
//   ROOT/ImageSets/YEAR/SET.txt, one sequence per line
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace munet {

struct DavisSequence {
  std::string name;
  std::vector<std::filesystem::path> frames;  // in natural order
  std::vector<std::filesystem::path> masks;   // of each frame; empty path: not annotated
};

// The sequences of a list, for example read_davis(root, "2016/val"), in the list's order. Lines of
// the 2016 release that name files (/JPEGImages/480p/bear/00000.jpg ...) count as their sequence.
// Later frames may lack a mask (test sets), the first may not. FileError that names the missing
// folder, list (and those that are there), sequence or mask.
std::vector<DavisSequence> read_davis(const std::filesystem::path& root, const std::string& list,
                                      const std::string& resolution = "480p");

// The sequences that a list file names, once each, in its order. FileError as above; `op` begins
// it.
std::vector<std::string> read_sequence_list(const char* op, const std::filesystem::path& file);

// The lists below a folder ImageSets, for messages: "2016/train, 2016/val", or "no list".
std::string lists_in(const std::filesystem::path& sets);

}  // namespace munet
