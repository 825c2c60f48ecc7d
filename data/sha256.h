// SHA-256 (FIPS 180-4), to name files by their content.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace munet {

// 64 hexadecimal digits, as the program sha256sum prints them.
std::string sha256(const std::vector<uint8_t>& bytes);

}  // namespace munet
