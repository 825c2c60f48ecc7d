// Tally: what an accelerator did, counted by name: which library or kernel of ours served a call,
// what was refused and why. So a slower way that was taken is never silent.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace munet {

// `what` happened once more. Thread-safe.
void tally(std::string_view what);
int64_t tallied(std::string_view what);  // how often; 0: never
// One line each, "     123  what", sorted by name; empty where nothing was counted.
std::string tally_report();
void clear_tally();

}  // namespace munet
