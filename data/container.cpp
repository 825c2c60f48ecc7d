// FFmpeg reads such files to their sudden end without a word.
#include "data/container.h"

#include <array>
#include <cstddef>
#include <cstring>
#include <fstream>

namespace munet {
namespace {

// The first bytes of a file; zeros beyond its end.
class Head {
 public:
  explicit Head(const std::filesystem::path& path) {
    std::ifstream(path, std::ios::binary).read(bytes_.data(), std::streamsize(bytes_.size()));
  }
  bool has(std::size_t at, const char* text) const {
    return std::memcmp(bytes_.data() + at, text, std::strlen(text)) == 0;
  }
  uint64_t byte(std::size_t at) const { return uint8_t(bytes_[at]); }

  // EBML's length: as many leading zeros as further bytes; all ones: unknown, here 0.
  uint64_t length(std::size_t& at) const {
    int more = 0;
    while (more < 8 && !(byte(at) & (0x80u >> more))) ++more;
    if (more == 8) return 0;
    uint64_t value = byte(at) & (0x7fu >> more);
    const uint64_t unknown = (uint64_t{1} << (7 * (more + 1))) - 1;
    for (int i = 1; i <= more; ++i) value = value << 8 | byte(at + std::size_t(i));
    at += std::size_t(more) + 1;
    return value == unknown ? 0 : value;
  }

 private:
  std::array<char, 256> bytes_{};
};

int64_t riff_bytes(const Head& head) {
  uint64_t size = 0;
  for (std::size_t i = 0; i < 4; ++i) size |= head.byte(4 + i) << (8 * i);
  return size == 0 || size == 0xffff'ffff ? 0 : int64_t(size) + 8;
}

int64_t matroska_bytes(const Head& head) {
  std::size_t at = 4;
  const uint64_t header = head.length(at);
  if (header > 200) return 0;
  at += header;
  if (!head.has(at, "\x18\x53\x80\x67")) return 0;
  at += 4;
  const uint64_t segment = head.length(at);
  return segment == 0 ? 0 : int64_t(at + segment);
}

}  // namespace

int64_t promised_bytes(const std::filesystem::path& path) {
  const Head head(path);
  if (head.has(0, "RIFF") && head.has(8, "AVI ")) return riff_bytes(head);
  if (head.has(0, "\x1a\x45\xdf\xa3")) return matroska_bytes(head);
  return 0;
}

}  // namespace munet
