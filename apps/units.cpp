// Powers of 1024 only: "MB" means two things.
#include "apps/units.h"

#include <sys/resource.h>

#include <array>
#include <charconv>
#include <cstdio>

#include "data/image.h"
#include "tensor/error.h"

namespace {
constexpr std::array kUnits{"B", "KiB", "MiB", "GiB", "TiB"};
}

std::size_t parse_bytes(const std::string& text) {
  double number = -1;
  const char* end = text.data() + text.size();
  const auto [unit, error] = std::from_chars(text.data(), end, number, std::chars_format::fixed);
  double scale = unit == end ? 1 : 0;
  for (double power = 1; const char* name : kUnits) {
    if (std::string(unit, end) == name) scale = power;
    power *= 1024;
  }
  munet::check(error == std::errc() && number >= 0 && scale > 0 && number * scale < 1e18,
               "expected an amount of memory like 512KiB, 64MiB or 1.5GiB; given \"", text, "\"");
  return std::size_t(number * scale);
}

int parse_size(const std::string& text) {
  if (text == "raw") return 0;
  int size = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
  munet::check(error == std::errc() && end == text.data() + text.size() && size >= 32 &&
                   size <= munet::kMaxSide,
               "--size: expected raw or the shorter side in pixels, 32 or more; given \"", text,
               "\"");
  return size;
}

std::string format_bytes(double bytes) {
  std::size_t unit = 0;
  for (; bytes >= 1024 && unit + 1 < kUnits.size(); ++unit) bytes /= 1024;
  char text[32];
  std::snprintf(text, sizeof text, unit ? "%.1f %s" : "%.0f %s", bytes, kUnits[unit]);
  return text;
}

std::string format_seconds(double seconds) {
  const auto s = static_cast<long long>(seconds + 0.5);
  char text[32];
  if (s >= 3600)
    std::snprintf(text, sizeof text, "%d:%02d:%02d", int(s / 3600), int(s / 60 % 60), int(s % 60));
  else
    std::snprintf(text, sizeof text, "%d:%02d", int(s / 60), int(s % 60));
  return text;
}

double peak_bytes() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return double(usage.ru_maxrss) * 1024;
}
