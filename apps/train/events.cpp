// Field numbers are those of event.proto and summary.proto.
#include "apps/train/events.h"

#include <array>
#include <chrono>
#include <cstring>

#include "tensor/error.h"

using namespace munet;

namespace {

double now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

template <class T>
std::string raw(T value) {
  std::string bytes(sizeof value, '\0');
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

std::string varint(uint64_t value) {
  std::string bytes;
  for (; value >= 128; value >>= 7) bytes += char(value | 128);
  return bytes + char(value);
}

// Wire types: 0 varint, 1 eight bytes, 2 a length and bytes, 5 four bytes.
std::string tag(int field, int wire_type) { return varint(uint64_t(field << 3 | wire_type)); }
std::string number(int field, int64_t value) { return tag(field, 0) + varint(uint64_t(value)); }
std::string bytes(int field, const std::string& value) {
  return tag(field, 2) + varint(value.size()) + value;
}

}  // namespace

uint32_t crc32c(const std::string& bytes) {
  static const std::array<uint32_t, 256> table = [] {
    std::array<uint32_t, 256> t{};
    for (uint32_t i = 0; i < 256; ++i) {
      t[i] = i;
      for (int bit = 0; bit < 8; ++bit) t[i] = t[i] >> 1 ^ (t[i] & 1 ? 0x82F63B78u : 0);
    }
    return t;
  }();
  uint32_t crc = ~0u;
  for (const char c : bytes) crc = crc >> 8 ^ table[(crc ^ uint8_t(c)) & 255];
  return ~crc;
}

uint32_t masked_crc32c(const std::string& bytes) {
  const uint32_t crc = crc32c(bytes);
  return (crc >> 15 | crc << 17) + 0xA282EAD8u;
}

EventWriter::EventWriter(const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder);
  const std::filesystem::path path =
      folder / str("events.out.tfevents.", int64_t(now() * 1000), ".munet");
  file_.open(path, std::ios::binary);
  check<FileError>(file_.good(), path.string(), ": cannot be written");
  record(tag(1, 1) + raw(now()) + bytes(3, "brain.Event:2"));
}

void EventWriter::scalar(const std::string& name, int64_t step, double value) {
  summary(step, bytes(1, name) + tag(2, 5) + raw(float(value)));
}

void EventWriter::image(const std::string& name, int64_t step, int width, int height,
                        const std::vector<uint8_t>& png) {
  constexpr int kRgb = 3;
  summary(step, bytes(1, name) + bytes(4, number(1, height) + number(2, width) + number(3, kRgb) +
                                              bytes(4, std::string(png.begin(), png.end()))));
}

void EventWriter::summary(int64_t step, const std::string& value) {
  record(tag(1, 1) + raw(now()) + number(2, step) + bytes(5, bytes(1, value)));
}

void EventWriter::record(const std::string& event) {
  const std::string length = raw(uint64_t(event.size()));
  file_ << length << raw(masked_crc32c(length)) << event << raw(masked_crc32c(event)) << std::flush;
}
