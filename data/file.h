// Whole files in and out. Every failure is a FileError that holds the path and the system's reason.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

namespace munet {

// The file's bytes. FileError (starting with `op`) if it is missing, not a regular file,
// unreadable, or larger than `limit` bytes.
std::vector<uint8_t> read_file(const char* op, const std::filesystem::path& path,
                               uint64_t limit = uint64_t{1} << 30);

// Writes path + ".part", then renames it: whoever looks sees the old file or the whole new one.
// FileError (starting with `op`) if that fails, on a full disk too; the .part file is removed.
void write_file(const char* op, const std::filesystem::path& path,
                const std::vector<uint8_t>& bytes);

}  // namespace munet
