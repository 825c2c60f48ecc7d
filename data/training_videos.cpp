// DAVIS, YouTube-VOS and plain folders of videos.
#include <algorithm>

#include "data/davis.h"
#include "data/sequence.h"
#include "data/training_files.h"
#include "data/youtube.h"
#include "tensor/error.h"

namespace munet {
namespace {

namespace fs = std::filesystem;

fs::path need(const fs::path& folder, const char* what) {
  check<FileError>(fs::is_directory(folder), "data: expected ", what, " in ", folder.string(),
                   "; found ", contents_of(folder.parent_path()), " in ",
                   folder.parent_path().string());
  return folder;
}

// The video's annotated frames; a notice where some have no mask, or masks no frame.
void add_video(FileListing& out, const std::string& name, const fs::path& frames,
               const fs::path& masks, MaskRule rule) {
  const FrameFolder pictures = list_frames(frames);
  FileItem file;
  file.item.name = name;
  file.rule = rule;
  for (const fs::path& picture : pictures.frames) {
    const fs::path mask = masks / (picture.stem().string() + ".png");
    if (!fs::exists(mask)) continue;
    file.item.frames.push_back(picture.stem().string());
    file.pictures.push_back(picture);
    file.masks.push_back(mask);
  }
  std::size_t alone = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(masks))
    alone += entry.path().extension() == ".png";
  alone -= file.masks.size();
  if (alone > 0)
    out.notices.push_back(str(name, ": ", alone, " masks in ", masks.string(), " have no frame in ",
                              frames.string(), " and are left out"));
  if (file.masks.size() < pictures.frames.size())
    out.notices.push_back(str(name, ": ", pictures.frames.size() - file.masks.size(), " of ",
                              pictures.frames.size(), " frames have no mask in ", masks.string(),
                              " and are left out"));
  if (file.masks.size() >= 2)
    out.items.push_back(std::move(file));
  else
    out.notices.push_back(str(name, ": fewer than two annotated frames; left out"));
}

void check_any(const FileListing& listing, const fs::path& root) {
  check<FileError>(!listing.items.empty(), "data: expected videos with masks in ", root.string(),
                   "; found none",
                   listing.notices.empty() ? "" : "; the first problem: " + listing.notices[0]);
}

std::vector<std::string> folders_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder))
    if (entry.is_directory() && !entry.path().filename().string().starts_with('.'))
      names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end(), natural_less);
  return names;
}

}  // namespace

FileListing list_davis(const fs::path& root, const std::string& list) {
  const std::string set = list.empty() ? "2017/train" : list;
  const MaskRule rule = set.starts_with("2016") ? MaskRule::one : MaskRule::ids;
  FileListing out;
  for (const DavisSequence& sequence : read_davis(root, set))
    add_video(out, sequence.name, sequence.frames[0].parent_path(), sequence.masks[0].parent_path(),
              rule);
  check_any(out, root);
  return out;
}

FileListing list_youtube(const fs::path& root, const std::string& list) {
  const std::string set = list.empty() ? "train" : list;
  const fs::path base = fs::is_directory(root / set) ? root / set : root;
  const fs::path frames = need(base / "JPEGImages", "YouTube-VOS's frames"),
                 masks = need(base / "Annotations", "YouTube-VOS's masks");
  const Categories categories = read_categories(base / "meta.json");
  FileListing out;
  for (const auto& [name, kinds] : categories) {
    if (!fs::is_directory(frames / name) || !fs::is_directory(masks / name)) {
      out.notices.push_back(str(name, ": meta.json lists it, but it has no folder of ",
                                fs::is_directory(frames / name) ? "masks" : "frames",
                                "; left out"));
      continue;
    }
    const std::size_t before = out.items.size();
    add_video(out, name, frames / name, masks / name, MaskRule::ids);
    if (out.items.size() > before) out.items.back().item.kinds = kinds;
  }
  check_any(out, base);
  return out;
}

FileListing list_folders(const fs::path& root, const std::string& list) {
  fs::path frames = need(root / "JPEGImages", "folders of frames, one per video,"),
           masks = need(root / "Annotations", "folders of masks, one per video,");
  if (fs::is_directory(frames / "480p") && fs::is_directory(masks / "480p"))
    frames /= "480p", masks /= "480p";
  FileListing out;
  for (const std::string& name :
       list.empty() ? folders_in(frames) : read_sequence_list("data", root / list)) {
    need(frames / name, "the frames of a listed video");
    if (fs::is_directory(masks / name))
      add_video(out, name, frames / name, masks / name, MaskRule::ids);
    else
      out.notices.push_back(str(name, ": no masks in ", (masks / name).string(), "; left out"));
  }
  check_any(out, root);
  return out;
}

}  // namespace munet
