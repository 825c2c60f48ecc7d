// Only what an evaluation needs is read; frames are told by the masks themselves.
#include "data/youtube.h"

#include <nlohmann/json.hpp>

#include "data/file.h"
#include "tensor/error.h"

namespace munet {

Categories read_categories(const std::filesystem::path& meta) {
  const std::vector<uint8_t> bytes = read_file("read_categories", meta);
  Categories categories;
  try {
    const nlohmann::json json = nlohmann::json::parse(bytes);
    for (const auto& [sequence, video] : json.at("videos").items())
      for (const auto& [id, object] : video.at("objects").items())
        categories[sequence][std::stoi(id)] = object.at("category").get<std::string>();
  } catch (const std::exception& e) {  // the library's, and stoi's
    throw FileError(
        str("read_categories: ", meta.string(),
            ": expected meta.json of YouTube-VOS, with videos, their objects by id, and "
            "the category of each; ",
            e.what()));
  }
  check<FileError>(!categories.empty(), "read_categories: ", meta.string(),
                   ": expected objects; found none");
  return categories;
}

}  // namespace munet
