// meta.json of YouTube-VOS: what kind of thing each object is.
#pragma once

#include <filesystem>
#include <map>
#include <string>

namespace munet {

// The category of each object by sequence and id, from {"videos": {SEQUENCE: {"objects": {"ID":
// {"category": NAME, ...}}}}}. FileError (path, what was expected) if the file is missing or
// something else.
using Categories = std::map<std::string, std::map<int, std::string>>;
Categories read_categories(const std::filesystem::path& meta);

}  // namespace munet
