// TensorBoard's event files, written without its library.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

// A file of TFRecords, each {length u64, masked CRC-32C of it u32, bytes, masked CRC-32C of them
// u32}; the bytes are an Event of tensorflow/core/util/event.proto in protobuf's wire format.
// Flushed after every record, so that a reader follows along.
class EventWriter {
 public:
  // FOLDER/events.out.tfevents.SECONDS.munet; FileError if it cannot be made.
  explicit EventWriter(const std::filesystem::path& folder);
  void scalar(const std::string& tag, int64_t step, double value);
  void image(const std::string& tag, int64_t step, int width, int height,
             const std::vector<uint8_t>& png);

 private:
  void summary(int64_t step, const std::string& value);
  void record(const std::string& event);

  std::ofstream file_;
};

// CRC-32C (Castagnoli, reflected 0x82F63B78) and TFRecord's mask of it:
// rotate right by 15, + 0xA282EAD8.
uint32_t crc32c(const std::string& bytes);
uint32_t masked_crc32c(const std::string& bytes);
