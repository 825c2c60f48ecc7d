// Only what an evaluation needs is read; frames are told by the masks themselves.
#include "data/youtube.h"

#include <nlohmann/json.hpp>

#include "data/file.h"
#include "tensor/error.h"

namespace munet {

namespace {

// Calls visit(sequence, id, object) for each object of the file; `what` it should have of each.
template <class F>
void for_each_object(const char* op, const std::filesystem::path& meta, const char* what, F visit) {
  const std::vector<uint8_t> bytes = read_file(op, meta);
  int64_t count = 0;
  try {
    const nlohmann::json json = nlohmann::json::parse(bytes);
    for (const auto& [sequence, video] : json.at("videos").items())
      for (const auto& [id, object] : video.at("objects").items()) {
        visit(sequence, std::stoi(id), object);
        ++count;
      }
  } catch (const std::exception& e) {  // the library's, and stoi's
    throw FileError(str(op, ": ", meta.string(),
                        ": expected meta.json of YouTube-VOS, with videos, their objects by id, ",
                        "and the ", what, " of each; ", e.what()));
  }
  check<FileError>(count > 0, op, ": ", meta.string(), ": expected objects; found none");
}

}  // namespace

Categories read_categories(const std::filesystem::path& meta) {
  Categories categories;
  for_each_object("read_categories", meta, "category",
                  [&](const std::string& sequence, int id, const nlohmann::json& object) {
                    categories[sequence][id] = object.at("category").get<std::string>();
                  });
  return categories;
}

AskedFrames read_asked_frames(const std::filesystem::path& meta) {
  AskedFrames asked;
  for_each_object("read_asked_frames", meta, "frames",
                  [&](const std::string& sequence, int, const nlohmann::json& object) {
                    for (const nlohmann::json& frame : object.at("frames"))
                      asked[sequence].insert(frame.get<std::string>());
                  });
  return asked;
}

}  // namespace munet
