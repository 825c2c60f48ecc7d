// meta.json of YouTube-VOS: what kind of thing each object is, and in which frames it is.
#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>

namespace munet {

// The category of each object by sequence and id, from {"videos": {SEQUENCE: {"objects": {"ID":
// {"category": NAME, ...}}}}}. FileError (path, what was expected) if the file is missing or
// something else.
using Categories = std::map<std::string, std::map<int, std::string>>;
Categories read_categories(const std::filesystem::path& meta);

// The frames of each sequence that have an object, by the stems of their files: those whose masks
// the server of the challenge asks for. FileError likewise.
using AskedFrames = std::map<std::string, std::set<std::string>>;
AskedFrames read_asked_frames(const std::filesystem::path& meta);

}  // namespace munet
