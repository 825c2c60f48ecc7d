// Listing only: pictures and masks are read when they are needed.
#include "data/davis.h"

#include <algorithm>
#include <sstream>

#include "data/file.h"
#include "data/sequence.h"
#include "tensor/error.h"

namespace munet {
namespace {

namespace fs = std::filesystem;

void need_folder(const fs::path& folder, const char* what) {
  check<FileError>(fs::is_directory(folder), "read_davis: expected ", what, " in ", folder.string(),
                   "; there is no such folder");
}

// The sequence that a line of a list names; empty for an empty line.
std::string sequence_of(const std::string& line) {
  std::istringstream words(line);
  std::string first;
  words >> first;
  const bool file = first.find('/') != std::string::npos;
  return file ? fs::path(first).parent_path().filename().string() : first;
}

}  // namespace

std::string lists_in(const fs::path& sets) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::recursive_directory_iterator entry(sets, error), end; !error && entry != end;
       entry.increment(error))
    if (entry->path().extension() == ".txt")
      names.push_back(entry->path().lexically_relative(sets).replace_extension().generic_string());
  std::sort(names.begin(), names.end());
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text.empty() ? "no list" : text;
}

std::vector<std::string> read_sequence_list(const char* op, const fs::path& file) {
  const std::vector<uint8_t> bytes = read_file(op, file);
  std::istringstream lines(std::string(bytes.begin(), bytes.end()));
  std::vector<std::string> names;
  for (std::string line; std::getline(lines, line);) {
    const std::string name = sequence_of(line);
    if (!name.empty() && std::find(names.begin(), names.end(), name) == names.end())
      names.push_back(name);
  }
  check<FileError>(!names.empty(), op, ": expected sequence names in ", file.string(),
                   "; found none");
  return names;
}

std::vector<DavisSequence> read_davis(const fs::path& root, const std::string& list,
                                      const std::string& resolution) {
  const fs::path frames = root / "JPEGImages" / resolution,
                 masks = root / "Annotations" / resolution;
  need_folder(root, "a DAVIS data set");
  need_folder(frames, "frames");
  need_folder(masks, "masks");
  const fs::path sets = root / "ImageSets", file = sets / (list + ".txt");
  check<FileError>(fs::is_regular_file(file), "read_davis: expected the list ", file.string(),
                   "; found ", lists_in(sets));
  std::vector<DavisSequence> sequences;
  for (const std::string& name : read_sequence_list("read_davis", file)) {
    need_folder(frames / name, "the frames of a listed sequence");
    need_folder(masks / name, "the masks of a listed sequence");
    DavisSequence sequence{name, list_frames(frames / name).frames, {}};
    for (const fs::path& frame : sequence.frames) {
      const fs::path mask = masks / name / (frame.stem().string() + ".png");
      sequence.masks.push_back(fs::exists(mask) ? mask : fs::path());
    }
    check<FileError>(!sequence.masks[0].empty(), "read_davis: expected a mask of the first frame, ",
                     (masks / name / (sequence.frames[0].stem().string() + ".png")).string(),
                     "; there is no such file");
    sequences.push_back(std::move(sequence));
  }
  return sequences;
}

}  // namespace munet
