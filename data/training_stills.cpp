// The layouts of the sets of stills with masks.
#include <algorithm>

#include "data/davis.h"
#include "data/sequence.h"
#include "data/training_files.h"
#include "tensor/error.h"

namespace munet {
namespace {

namespace fs = std::filesystem;

struct Layout {
  fs::path pictures, masks;
};

// The first layout whose folders are there.
Layout find_layout(const char* what, const fs::path& root, const std::vector<Layout>& layouts) {
  std::string expected;
  for (const Layout& layout : layouts) {
    if (fs::is_directory(root / layout.pictures) && fs::is_directory(root / layout.masks))
      return {root / layout.pictures, root / layout.masks};
    expected += (expected.empty() ? "" : ", or ") + layout.pictures.string();
    if (layout.masks != layout.pictures) expected += " and " + layout.masks.string();
  }
  throw FileError(str("data: expected ", what, " in ", root.string(), " (", expected, "); found ",
                      contents_of(root)));
}

// names: of the pictures, without extension; empty: all of the folder but PNGs where masks lie.
FileListing pair_up(const Layout& layout, MaskRule rule, const std::vector<std::string>& names) {
  FileListing out;
  std::vector<fs::path> pictures;
  if (names.empty()) {
    for (const fs::directory_entry& entry : fs::directory_iterator(layout.pictures)) {
      const bool mask = layout.masks == layout.pictures && entry.path().extension() == ".png";
      if (entry.is_regular_file() && !mask && entry.path().extension() != ".txt" &&
          !entry.path().filename().string().starts_with('.'))
        pictures.push_back(entry.path());
    }
    std::sort(pictures.begin(), pictures.end(), [](const fs::path& a, const fs::path& b) {
      return natural_less(a.filename().string(), b.filename().string());
    });
  }
  for (const std::string& name : names) pictures.push_back(layout.pictures / (name + ".jpg"));
  for (const fs::path& picture : pictures) {
    const fs::path mask = layout.masks / (picture.stem().string() + ".png");
    if (!fs::exists(mask) || !fs::exists(picture)) {
      out.notices.push_back(str(picture.stem().string(), ": expected ",
                                (fs::exists(picture) ? mask : picture).string(),
                                "; there is no such file; left out"));
      continue;
    }
    FileItem file;
    file.item.name = file.item.frames.emplace_back(picture.stem().string());
    file.item.still = true;
    file.pictures = {picture};
    file.masks = {mask};
    file.rule = rule;
    out.items.push_back(std::move(file));
  }
  check<FileError>(!out.items.empty(), "data: expected pictures in ", layout.pictures.string(),
                   " and a mask of the same name (PNG) for each in ", layout.masks.string(),
                   "; found none");
  return out;
}

}  // namespace

FileListing list_stills(const std::string& kind, const fs::path& root, const std::string& list) {
  check<FileError>(list.empty() || kind == "voc2012", "data: ", kind,
                   " has no lists; given the list ", list);
  if (kind == "msra10k")
    return pair_up(
        find_layout("MSRA10K", root,
                    {{"MSRA10K_Imgs_GT/Imgs", "MSRA10K_Imgs_GT/Imgs"}, {"Imgs", "Imgs"}}),
        MaskRule::salient, {});
  if (kind == "ecssd")
    return pair_up(find_layout("ECSSD", root, {{"images", "ground_truth_mask"}}), MaskRule::salient,
                   {});
  if (kind == "pascal-s")
    return pair_up(find_layout("PASCAL-S", root,
                               {{"datasets/imgs/pascal", "datasets/masks/pascal"},
                                {"imgs/pascal", "masks/pascal"},
                                {"Imgs", "GT"}}),
                   MaskRule::salient, {});
  if (kind == "voc2012") {
    const Layout layout = find_layout("VOC2012", root, {{"JPEGImages", "SegmentationObject"}});
    const fs::path sets = root / "ImageSets/Segmentation",
                   file = sets / ((list.empty() ? "trainval" : list) + ".txt");
    check<FileError>(fs::is_regular_file(file), "data: expected the list ", file.string(),
                     "; found ", lists_in(sets));
    return pair_up(layout, MaskRule::ids, read_sequence_list("data", file));
  }
  check(kind == "stills", "data: no reader of ", kind);
  return pair_up(find_layout("stills", root, {{"images", "masks"}}), MaskRule::ids, {});
}

}  // namespace munet
