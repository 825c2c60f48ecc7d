// What the first bytes of a video file say about the whole of it.
#pragma once

#include <cstdint>
#include <filesystem>

namespace munet {

// How many bytes a whole file of this kind has at least: by the header of AVI (RIFF) and of
// Matroska and WebM (EBML's Segment). 0: it does not say, is of another kind or cannot be read.
int64_t promised_bytes(const std::filesystem::path& path);

}  // namespace munet
