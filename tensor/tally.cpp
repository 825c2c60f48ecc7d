#include "tensor/tally.h"

#include <cstdio>
#include <map>
#include <mutex>

namespace munet {
namespace {

struct Counts {
  std::mutex mutex;
  std::map<std::string, int64_t, std::less<>> times;
};
Counts& counts() {
  static Counts* one = new Counts;  // never destroyed: tensors with static life may count
  return *one;
}

}  // namespace

void tally(std::string_view what) {
  Counts& c = counts();
  std::lock_guard lock(c.mutex);
  const auto found = c.times.find(what);
  if (found == c.times.end())
    c.times.emplace(what, 1);
  else
    ++found->second;
}

int64_t tallied(std::string_view what) {
  Counts& c = counts();
  std::lock_guard lock(c.mutex);
  const auto found = c.times.find(what);
  return found == c.times.end() ? 0 : found->second;
}

std::string tally_report() {
  Counts& c = counts();
  std::lock_guard lock(c.mutex);
  std::string report;
  for (const auto& [what, times] : c.times) {
    char number[24];
    std::snprintf(number, sizeof(number), "%9lld  ", static_cast<long long>(times));
    report += number + what + '\n';
  }
  return report;
}

void clear_tally() {
  Counts& c = counts();
  std::lock_guard lock(c.mutex);
  c.times.clear();
}

}  // namespace munet
