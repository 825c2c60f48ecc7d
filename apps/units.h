// Amounts and sizes as people write them.
#pragma once

#include <cstddef>
#include <string>

// "64MiB" -> 67108864; "1.5GiB", "512KiB", "4096" and "4096B" likewise. Error on anything else.
std::size_t parse_bytes(const std::string& text);

// --size: "raw" -> 0, "480" -> 480, at least 32. Error on anything else.
int parse_size(const std::string& text);

// 67108864 -> "64.0 MiB".
std::string format_bytes(double bytes);

// 75 -> "1:15", 3675 -> "1:01:15".
std::string format_seconds(double seconds);

// The most memory that this process has held so far.
double peak_bytes();
