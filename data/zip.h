// ZIP archives, stored without compression: what they hold here is compressed already.
#pragma once

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

namespace munet {

// Written under a temporary name until finish(); never finished, it is removed. Format: PKWARE's
// APPNOTE 6.3, without ZIP64: fewer than 65,536 files of together less than 4 GiB. FileError if
// that is exceeded, or if it cannot be written.
class ZipWriter {
 public:
  explicit ZipWriter(const std::filesystem::path& path);
  ~ZipWriter();
  ZipWriter(const ZipWriter&) = delete;
  ZipWriter& operator=(const ZipWriter&) = delete;

  void add(const std::string& name, const std::vector<uint8_t>& bytes);  // name: with '/'
  void finish();

 private:
  void put(const std::vector<uint8_t>& bytes);
  [[noreturn]] void fail(const std::string& why) const;

  std::filesystem::path path_;
  std::FILE* file_;
  uint64_t offset_ = 0, files_ = 0;
  std::vector<uint8_t> directory_;
};

// CRC-32 of ISO 3309, as ZIP and PNG have it.
uint32_t crc32(const std::vector<uint8_t>& bytes);

}  // namespace munet
