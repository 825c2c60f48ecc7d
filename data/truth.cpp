// Listing only: masks are read one by one when they are scored.
#include "data/truth.h"

#include <algorithm>

#include "data/davis.h"
#include "data/sequence.h"
#include "tensor/error.h"

namespace munet {
namespace {

namespace fs = std::filesystem;

bool is_mask(const fs::path& path) { return path.extension() == ".png"; }

std::vector<fs::path> masks_in(const fs::path& folder) {
  std::vector<fs::path> files = list_frames(folder).frames;
  std::erase_if(files, [](const fs::path& path) { return !is_mask(path); });
  check<FileError>(!files.empty(), "find_truth: expected masks (PNG) in ", folder.string(),
                   "; found only other pictures");
  return files;
}

// The folders and the masks of a folder; natural order.
struct Listing {
  std::vector<fs::path> folders;
  bool masks = false;
};

Listing list(const fs::path& folder) {
  Listing out;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (entry.is_directory() && !entry.path().filename().string().starts_with('.'))
      out.folders.push_back(entry.path());
    out.masks = out.masks || is_mask(entry.path());
  }
  std::sort(out.folders.begin(), out.folders.end(), [](const fs::path& a, const fs::path& b) {
    return natural_less(a.filename().string(), b.filename().string());
  });
  return out;
}

// ImageSets/2017/val.txt or, for a set with its year, ImageSets/2016/val.txt.
fs::path find_list(const fs::path& sets, const std::string& set) {
  for (const char* year : {"2017", "2016", "."})
    if (const fs::path file = sets / year / (set + ".txt"); fs::is_regular_file(file)) return file;
  throw FileError(str("find_truth: expected the list ", set, " in ", sets.string(), "; found ",
                      lists_in(sets)));
}

Truth davis_truth(const fs::path& root, const std::string& set, const std::string& resolution) {
  const fs::path file = find_list(root / "ImageSets", set), all = root / "Annotations" / resolution;
  check<FileError>(fs::is_directory(all), "find_truth: expected masks in ", all.string(),
                   "; there is no such folder");
  const bool is_2016 = file.parent_path().filename() == "2016";
  Truth truth{file.stem().string(), is_2016 ? ScoreRule::davis2016 : ScoreRule::davis2017, {}};
  for (const std::string& name : read_sequence_list("find_truth", file)) {
    check<FileError>(fs::is_directory(all / name), "find_truth: expected the masks of ", name,
                     ", which ", file.string(), " lists, in ", (all / name).string(),
                     "; there is no such folder");
    truth.sequences.push_back(
        {name, root / "JPEGImages" / resolution / name, name, masks_in(all / name)});
  }
  return truth;
}

}  // namespace

Truth find_truth(const fs::path& root, const std::string& set, const std::string& resolution) {
  check<FileError>(fs::is_directory(root), "find_truth: expected a data set in ", root.string(),
                   "; there is no such folder");
  if (fs::is_directory(root / "ImageSets"))
    return davis_truth(root, set.empty() ? "val" : set, resolution);
  check<FileError>(set.empty(), "find_truth: expected the lists of sets in ",
                   (root / "ImageSets").string(), " to look for ", set,
                   "; there is no such folder; without --set all sequences are scored");
  Truth truth{"all", ScoreRule::generic, {}};
  const bool nested = fs::is_directory(root / "Annotations");
  const fs::path all = nested ? root / "Annotations" : root;
  const Listing found = list(all);
  const fs::path frames = nested ? root / "JPEGImages" : fs::path();
  if (found.masks)
    truth.sequences.push_back(
        {fs::absolute(all).lexically_normal().filename().string(), frames, "", masks_in(all)});
  else
    for (const fs::path& folder : found.folders)
      truth.sequences.push_back({folder.filename().string(),
                                 nested ? frames / folder.filename() : frames, folder.filename(),
                                 masks_in(folder)});
  check<FileError>(!truth.sequences.empty(),
                   "find_truth: expected masks (PNG) or folders of them in ", all.string(),
                   "; found none");
  return truth;
}

}  // namespace munet
