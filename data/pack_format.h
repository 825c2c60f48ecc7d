// What writer and reader of packs have in common (pack.h has the layout).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "tensor/random.h"

namespace munet {

inline constexpr char kPackMagic[] = "munetpk1";
inline constexpr uint64_t kPackHeader = 88, kMaxPackIndex = uint64_t{1} << 31;  // bytes

inline uint64_t read_u64(const uint8_t* from) {
  uint64_t value = 0;
  for (int i = 0; i < 8; ++i) value |= uint64_t(from[i]) << (8 * i);
  return value;
}
inline void write_u64(uint8_t* to, uint64_t value) {
  for (int i = 0; i < 8; ++i) to[i] = uint8_t(value >> (8 * i));
}
inline uint64_t hash_of(std::span<const uint8_t> bytes) {
  return name_seed({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

}  // namespace munet
