// Reads the archives that data/zip.h writes: its directory, then each file where that says it is.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "data/zip.h"
#include "tests/catch.h"
#include "tests/pictures.h"

inline uint64_t little(const std::string& bytes, std::size_t at, int count) {
  uint64_t value = 0;
  for (int i = 0; i < count; ++i)
    value |= uint64_t(uint8_t(bytes.at(at + std::size_t(i)))) << (8 * i);
  return value;
}

inline std::map<std::string, std::string> read_zip(const std::filesystem::path& path) {
  const std::string all = slurp(path);
  REQUIRE(all.size() >= 22);
  const std::size_t end = all.size() - 22;
  REQUIRE(all.substr(end, 4) == "PK\5\6");
  const uint64_t count = little(all, end + 10, 2);
  std::size_t entry = little(all, end + 16, 4);
  REQUIRE(entry + little(all, end + 12, 4) == end);
  std::map<std::string, std::string> files;
  for (uint64_t i = 0; i < count; ++i) {
    REQUIRE(all.substr(entry, 4) == "PK\1\2");
    const std::size_t length = little(all, entry + 28, 2), local = little(all, entry + 42, 4);
    const std::string name = all.substr(entry + 46, length);
    REQUIRE(all.substr(local, 4) == "PK\3\4");
    REQUIRE(all.substr(local + 30, length) == name);
    REQUIRE(all.substr(local + 4, 24) == all.substr(entry + 6, 24));  // both headers agree
    const std::string content = all.substr(local + 30 + length, little(all, local + 18, 4));
    REQUIRE(munet::crc32({content.begin(), content.end()}) == little(all, local + 14, 4));
    files[name] = content;
    entry += 46 + length;
  }
  REQUIRE(entry == end);
  return files;
}
