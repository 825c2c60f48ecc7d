// Local header and bytes of each file, then the directory of all.
#include "data/zip.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "tensor/error.h"

namespace munet {
namespace {

constexpr uint16_t kVersion = 20, kUtf8 = 1 << 11, kStored = 0;
constexpr uint16_t kTime = 0, kDate = (1 << 5) | 1;  // 1980-01-01: the same input, the same archive

struct Bytes {
  std::vector<uint8_t> all;
  Bytes& u16(uint64_t value) { return little(value, 2); }
  Bytes& u32(uint64_t value) { return little(value, 4); }
  Bytes& text(const std::string& value) {
    all.insert(all.end(), value.begin(), value.end());
    return *this;
  }
  Bytes& little(uint64_t value, int count) {
    for (int i = 0; i < count; ++i) all.push_back(uint8_t(value >> (8 * i)));
    return *this;
  }
};

constexpr std::array<uint32_t, 256> kCrcTable = [] {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t c = i;
    for (int bit = 0; bit < 8; ++bit) c = c & 1 ? 0xedb88320u ^ (c >> 1) : c >> 1;
    table[i] = c;
  }
  return table;
}();

}  // namespace

uint32_t crc32(const std::vector<uint8_t>& bytes) {
  uint32_t crc = ~0u;
  for (const uint8_t byte : bytes) crc = kCrcTable[(crc ^ byte) & 255] ^ (crc >> 8);
  return ~crc;
}

ZipWriter::ZipWriter(const std::filesystem::path& path)
    : path_(path), file_(std::fopen((path.string() + ".part").c_str(), "wb")) {
  if (!file_) fail(std::strerror(errno));
}

ZipWriter::~ZipWriter() {
  if (!file_) return;
  std::fclose(file_);
  std::remove((path_.string() + ".part").c_str());
}

void ZipWriter::fail(const std::string& why) const {
  throw FileError(str("write_zip: cannot write ", path_.string(), ": ", why));
}

void ZipWriter::put(const std::vector<uint8_t>& bytes) {
  if (std::fwrite(bytes.data(), 1, bytes.size(), file_) != bytes.size()) fail(std::strerror(errno));
  offset_ += bytes.size();
}

void ZipWriter::add(const std::string& name, const std::vector<uint8_t>& bytes) {
  if (++files_ > 65'535) fail("it would hold more than 65535 files, which the format cannot");
  // What both headers say of a file.
  const auto about = [&](Bytes& header) {
    header.u16(kVersion).u16(kUtf8).u16(kStored).u16(kTime).u16(kDate);
    header.u32(crc32(bytes)).u32(bytes.size()).u32(bytes.size()).u16(name.size()).u16(0);
  };
  Bytes local, entry;
  local.u32(0x04034b50);
  about(local);
  entry.u32(0x02014b50).u16(kVersion);
  about(entry);
  entry.u16(0).u16(0).u16(0).u32(0).u32(offset_).text(name);
  directory_.insert(directory_.end(), entry.all.begin(), entry.all.end());
  put(local.text(name).all);
  put(bytes);
  if (offset_ + directory_.size() > 0xffff'0000u) fail("it would exceed 4 GiB");
}

void ZipWriter::finish() {
  Bytes end;
  end.u32(0x06054b50).u16(0).u16(0).u16(files_).u16(files_);
  end.u32(directory_.size()).u32(offset_).u16(0);
  put(directory_);
  put(end.all);
  const bool closed = std::fclose(std::exchange(file_, nullptr)) == 0;
  const std::string part = path_.string() + ".part";
  if (closed && std::rename(part.c_str(), path_.c_str()) == 0) return;
  const int reason = errno;
  std::remove(part.c_str());
  fail(std::strerror(reason));
}

}  // namespace munet
