// Training data as their authors give them out: folders of pictures and masks.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "data/training_set.h"

namespace munet {

// How a mask file is to be read.
enum class MaskRule {
  ids,      // read_mask: one object per id
  one,      // whatever is marked is one object (DAVIS 2016)
  salient,  // grey values: from 128 on, or from 1 on where that is white, is one object
};

// An item and its files: `masks[i]` belongs to `pictures[i]`. A still that COCO describes has a
// function instead of a mask file.
struct FileItem {
  TrainingItem item;
  std::vector<std::filesystem::path> pictures, masks;
  MaskRule rule = MaskRule::ids;
  std::function<Mask()> draw = {};
};

// What a reader below found. In stills, objects of fewer than kMinStillObject pixels become
// background when they are read.
inline constexpr int kMinStillObject = 500;
struct FileListing {
  std::vector<FileItem> items;
  std::vector<std::string> notices;
};

// Videos. Frames without a mask are left out, with a notice; so are videos without two masks. Each
// throws FileError that says what was expected and what is there.
//   davis: read_davis's tree and lists; one object per video for lists of 2016.
//   youtube: PATH/[LIST/]JPEGImages, Annotations, meta.json (2018 and 2019). Ids that meta.json
//   does
//     not list are unlabelled: background. Objects may start late; ids may have holes.
//   folders: PATH/JPEGImages/[480p/]VIDEO/*, PATH/Annotations/[480p/]VIDEO/*.png; LIST: a text file
//     of names in PATH (empty: all).
FileListing list_davis(const std::filesystem::path& root, const std::string& list);
FileListing list_youtube(const std::filesystem::path& root, const std::string& list);
FileListing list_folders(const std::filesystem::path& root, const std::string& list);

// Stills; pictures without a mask are left out, with a notice.
//   msra10k: PATH/[MSRA10K_Imgs_GT/][Imgs/]NAME.jpg beside NAME.png
//   ecssd: PATH/images/NAME.jpg, PATH/ground_truth_mask/NAME.png
//   pascal-s: PATH/[datasets/]imgs/pascal/N.jpg, masks/pascal/N.png; or PATH/Imgs, PATH/GT
//   voc2012: PATH/JPEGImages/NAME.jpg, SegmentationObject/NAME.png,
//     ImageSets/Segmentation/LIST.txt (empty: trainval); void borders are background
//   coco: PATH/annotations/instances_LIST.json, PATH/[images/]LIST/NAME.jpg (empty: train2017)
//   stills: PATH/images/NAME.*, PATH/masks/NAME.png with ids
FileListing list_stills(const std::string& kind, const std::filesystem::path& root,
                        const std::string& list);
FileListing list_coco(const std::filesystem::path& root, const std::string& list);

// The set of a listing, under a name. Names of `without` are left out; FileError if one is not
// there (then it would be trained on by a slip of the pen) or if nothing is left.
std::unique_ptr<TrainingSet> file_set(FileListing listing, const std::string& name,
                                      const std::vector<std::string>& without);

// The reader of that name (davis ... coco, stills): opens PATH. The set's name is PATH's last
// folder.
std::unique_ptr<TrainingSet> open_files(const std::string& kind, const std::filesystem::path& path,
                                        const std::string& list,
                                        const std::vector<std::string>& without);

// For error texts: "folders a, b, c and 12 files", or "no such folder".
std::string contents_of(const std::filesystem::path& folder);

}  // namespace munet
