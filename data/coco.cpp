// COCO's instances: one JSON file for all pictures, masks as polygons or run lengths.
#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "data/file.h"
#include "data/rle.h"
#include "data/shapes.h"
#include "data/training_files.h"
#include "tensor/error.h"

namespace munet {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

// One instance: polygons (x, y, x, y, ...) or, where `counts` is not empty, runs along columns.
struct Instance {
  std::vector<std::vector<float>> polygons;
  std::vector<uint32_t> counts;
  int category = 0;
  bool crowd = false;
  double area = 0;
};

struct Picture {
  std::string file;
  int width = 0, height = 0;
  std::vector<Instance> instances;
};

Instance parse_instance(const Json& json, const Picture& picture) {
  Instance instance;
  instance.category = json.at("category_id").get<int>();
  instance.crowd = json.value("iscrowd", 0) != 0;
  instance.area = json.value("area", 0.0);
  const Json& shape = json.at("segmentation");
  if (shape.is_array()) {
    for (const Json& polygon : shape)
      instance.polygons.push_back(polygon.get<std::vector<float>>());
    return instance;
  }
  const Json& counts = shape.at("counts");
  instance.counts = counts.is_string() ? parse_rle(counts.get<std::string>())
                                       : counts.get<std::vector<uint32_t>>();
  const auto size = shape.at("size").get<std::vector<int>>();
  uint64_t pixels = 0;
  for (const uint32_t count : instance.counts) pixels += count;
  check(size.size() == 2 && size[0] == picture.height && size[1] == picture.width &&
            pixels == uint64_t(picture.width) * uint64_t(picture.height),
        "runs of ", picture.width, "x", picture.height, " pixels in all");
  return instance;
}

void fill_runs(Mask& mask, int id, const std::vector<uint32_t>& counts) {
  std::size_t at = 0;
  const auto width = std::size_t(mask.width), height = std::size_t(mask.height);
  for (std::size_t i = 0; i < counts.size(); at += counts[i++])
    if (i % 2 == 1)
      for (std::size_t k = at; k < at + counts[i]; ++k)
        mask.ids[k % height * width + k / height] = uint8_t(id);
}

// The large ones first, so that what lies on them stays visible. Crowds take part as background.
Mask draw(const Picture& picture) {
  Mask mask{picture.width,
            picture.height,
            std::vector<uint8_t>(std::size_t(picture.width) * std::size_t(picture.height)),
            {}};
  int id = 0;
  for (const Instance& instance : picture.instances) {
    const int label = instance.crowd ? 0 : ++id;
    if (!instance.counts.empty()) fill_runs(mask, label, instance.counts);
    for (const std::vector<float>& polygon : instance.polygons) {
      std::vector<std::pair<double, double>> corners;
      for (std::size_t i = 0; i + 1 < polygon.size(); i += 2)
        corners.emplace_back(polygon[i], polygon[i + 1]);
      fill_polygon(mask, label, corners);
    }
  }
  return mask;
}

// Only what is needed is kept while parsing: the file of 2017 has 450 MB.
bool wanted(int depth, Json::parse_event_t event, Json& value) {
  if (event != Json::parse_event_t::key || depth > 3) return true;
  static const std::vector<std::string> kUnused{
      "licenses",   "info",    "caption",   "bbox",          "coco_url",
      "flickr_url", "license", "keypoints", "num_keypoints", "date_captured"};
  return std::find(kUnused.begin(), kUnused.end(), value.get<std::string>()) == kUnused.end();
}

std::map<int64_t, Picture> parse_pictures(const Json& json) {
  std::map<int64_t, Picture> pictures;
  for (const Json& image : json.at("images")) {
    Picture& picture = pictures[image.at("id").get<int64_t>()];
    picture.file = image.at("file_name").get<std::string>();
    picture.width = image.at("width").get<int>();
    picture.height = image.at("height").get<int>();
    check_picture_size("data", picture.file, picture.width, picture.height);
  }
  for (const Json& annotation : json.at("annotations")) {
    const auto image = annotation.at("image_id").get<int64_t>();
    const auto found = pictures.find(image);
    check(found != pictures.end(), "a picture of id ", image, " for annotation ",
          annotation.value("id", Json(0)).dump());
    found->second.instances.push_back(parse_instance(annotation, found->second));
  }
  return pictures;
}

}  // namespace

FileListing list_coco(const fs::path& root, const std::string& list) {
  const std::string set = list.empty() ? "train2017" : list;
  const fs::path file = root / "annotations" / ("instances_" + set + ".json");
  check<FileError>(fs::is_regular_file(file), "data: expected COCO's ", file.string(), "; found ",
                   contents_of(root), " in ", root.string());
  const fs::path folder = fs::is_directory(root / set) ? root / set : root / "images" / set;
  check<FileError>(fs::is_directory(folder), "data: expected COCO's pictures in ",
                   (root / set).string(), " or ", folder.string(), "; found ", contents_of(root));
  std::map<int64_t, Picture> pictures;
  std::map<int, std::string> categories;
  try {
    const std::vector<uint8_t> bytes = read_file("data", file, uint64_t{1} << 32);
    const Json json = Json::parse(bytes.begin(), bytes.end(), wanted);
    pictures = parse_pictures(json);
    for (const Json& category : json.at("categories"))
      categories[category.at("id").get<int>()] = category.at("name").get<std::string>();
  } catch (const FileError&) {
    throw;
  } catch (const std::exception& e) {  // the library's, and the checks above
    throw FileError(str("data: ", file.string(),
                        ": expected COCO's instances (images, annotations, categories); ",
                        e.what()));
  }
  FileListing out;
  for (auto& [id, picture] : pictures) {
    std::vector<Instance>& instances = picture.instances;
    std::erase_if(instances, [](const Instance& i) { return i.area < kMinStillObject; });
    std::stable_sort(instances.begin(), instances.end(),
                     [](const Instance& a, const Instance& b) { return a.area > b.area; });
    FileItem item;
    int objects = 0;
    for (const Instance& instance : instances) {
      const auto kind = categories.find(instance.category);
      if (!instance.crowd && ++objects <= 254)
        item.item.kinds[objects] = kind == categories.end() ? "?" : kind->second;
    }
    if (objects == 0 || objects > 254) continue;  // nothing to follow, or more than ids
    const fs::path path = folder / picture.file;
    if (!fs::exists(path)) {
      out.notices.push_back(
          str(picture.file, ": expected ", path.string(), "; there is no such file; left out"));
      continue;
    }
    item.item.name = item.item.frames.emplace_back(fs::path(picture.file).stem().string());
    item.item.still = true;
    item.pictures = {path};
    item.draw = [picture = std::make_shared<const Picture>(std::move(picture))] {
      return draw(*picture);
    };
    out.items.push_back(std::move(item));
  }
  check<FileError>(!out.items.empty(), "data: expected pictures with instances in ", file.string(),
                   "; found none in ", folder.string());
  return out;
}

}  // namespace munet
