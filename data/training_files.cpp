// Files are listed when a set is opened, and read when a clip needs them.
#include "data/training_files.h"

#include <algorithm>
#include <array>
#include <set>

#include "data/file.h"
#include "data/png.h"
#include "data/sequence.h"
#include "data/sha256.h"
#include "tensor/error.h"

namespace munet {
namespace {

namespace fs = std::filesystem;

// Saliency maps: grey, often with soft edges, sometimes saved as JPEG and back, or as RGB.
Mask read_salient(const fs::path& path) {
  const std::vector<uint8_t> bytes = read_file("read_mask", path);
  Mask mask;
  if (is_rgb_png(bytes)) {
    const PngColors png = decode_png_rgba(bytes, path);
    mask = {png.width, png.height, std::vector<uint8_t>(png.rgba.size() / 4), {}};
    for (std::size_t i = 0; i < mask.ids.size(); ++i) mask.ids[i] = png.rgba[4 * i + 1] >= 128;
  } else {
    PngSamples png = decode_png_samples(bytes, path);
    const bool grey = png.palette.empty();
    for (uint8_t& value : png.values)
      value = grey ? 2 * value > png.white : png.palette[3 * std::size_t(value) + 1] >= 128;
    mask = {png.width, png.height, std::move(png.values), {}};
  }
  return mask;
}

void drop_small(Mask& mask) {
  std::array<int64_t, 256> pixels{};
  for (const uint8_t id : mask.ids) ++pixels[id];
  std::array<uint8_t, 256> to{};
  for (std::size_t id = 1; id < 256; ++id) to[id] = pixels[id] >= kMinStillObject ? uint8_t(id) : 0;
  for (uint8_t& id : mask.ids) id = to[id];
}

class FileSet : public TrainingSet {
 public:
  FileSet(FileListing listing, const std::string& name, const std::vector<std::string>& without) {
    std::set<std::string> unseen(without.begin(), without.end());
    std::string text = name;
    notices_ = std::move(listing.notices);
    for (FileItem& file : listing.items) {
      if (std::find(without.begin(), without.end(), file.item.name) != without.end()) {
        unseen.erase(file.item.name);
        continue;
      }
      file.item.part = name;
      text += "\n" + file.item.name;
      for (const std::string& frame : file.item.frames) text += " " + frame;
      items_.push_back(file.item);
      files_.push_back(std::move(file));
    }
    check<FileError>(unseen.empty(), "data: expected ", unseen.empty() ? "" : *unseen.begin(),
                     ", which is to be left out, in ", name, "; there is no such video or still");
    check<FileError>(!items_.empty(), "data: expected videos or stills in ", name,
                     "; none is left");
    fingerprint_ = sha256({text.begin(), text.end()});
  }

  Mask mask(std::size_t item, std::size_t frame) const override {
    const FileItem& file = files_.at(item);
    Mask mask;
    if (file.draw)
      mask = file.draw();
    else
      mask = file.rule == MaskRule::salient ? read_salient(file.masks.at(frame))
                                            : read_mask(file.masks.at(frame));
    if (file.rule == MaskRule::one)
      for (uint8_t& id : mask.ids) id = id > 0;
    if (file.item.still) drop_small(mask);
    if (!file.item.kinds.empty())  // an id of no known kind is not labelled
      for (uint8_t& id : mask.ids) id = id && file.item.kinds.count(id) ? id : 0;
    return mask;
  }
  ScaledImage image(std::size_t item, std::size_t frame, double scale) const override {
    return read_image_scaled(files_.at(item).pictures.at(frame), scale);
  }
  std::string fingerprint() const override { return fingerprint_; }

 private:
  std::vector<FileItem> files_;
  std::string fingerprint_;
};

}  // namespace

void check_same_size(const std::string& name, const ScaledImage& image, const Mask& mask) {
  check<FileError>(image.width == mask.width && image.height == mask.height, "data: ", name,
                   ": expected a mask of the picture's size ", image.width, "x", image.height,
                   "; found ", mask.width, "x", mask.height);
}

std::string contents_of(const fs::path& folder) {
  std::error_code error;
  std::vector<std::string> folders;
  int files = 0;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    std::error_code unknown;
    if (entry->is_directory(unknown))
      folders.push_back(entry->path().filename().string());
    else
      ++files;
  }
  if (error) return "no such folder";
  std::sort(folders.begin(), folders.end(), natural_less);
  std::string text;
  constexpr std::size_t kShown = 6;
  for (std::size_t i = 0; i < std::min(folders.size(), kShown); ++i)
    text += (i ? ", " : "folders ") + folders[i];
  if (folders.size() > kShown) text += str(" and ", folders.size() - kShown, " more");
  if (files > 0 || folders.empty())
    text += str(folders.empty() ? "" : ", ", files, files == 1 ? " file" : " files");
  return text;
}

std::unique_ptr<TrainingSet> file_set(FileListing listing, const std::string& name,
                                      const std::vector<std::string>& without) {
  return std::make_unique<FileSet>(std::move(listing), name, without);
}

std::unique_ptr<TrainingSet> open_files(const std::string& kind, const fs::path& path,
                                        const std::string& list,
                                        const std::vector<std::string>& without) {
  check<FileError>(fs::is_directory(path), "data: expected a data set in ", path.string(),
                   "; there is no such folder");
  const fs::path whole = fs::absolute(path).lexically_normal();
  const std::string name = (whole.has_filename() ? whole : whole.parent_path()).filename().string();
  FileListing listing = kind == "davis"     ? list_davis(path, list)
                        : kind == "youtube" ? list_youtube(path, list)
                        : kind == "folders" ? list_folders(path, list)
                        : kind == "coco"    ? list_coco(path, list)
                                            : list_stills(kind, path, list);
  return file_set(std::move(listing), name, without);
}

}  // namespace munet
