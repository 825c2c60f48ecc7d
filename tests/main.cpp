// Catch2's main, compiled once. Skips are loud: tests that lack their data call skip() of
// support.h, and the total is printed at the end. So is what a GPU's libraries served or refused.
#define CATCH_CONFIG_RUNNER
#include "tensor/tally.h"
#include "tests/catch.h"
#include "tests/support.h"

int main(int argc, char** argv) {
  const int failed = Catch::Session().run(argc, argv);
  if (const std::string served = munet::tally_report(); !served.empty())
    std::fprintf(stderr, "who served what, calls:\n%s", served.c_str());
  for (const std::string& reason : skipped()) std::fprintf(stderr, "SKIPPED: %s\n", reason.c_str());
  if (failed == 0 && !skipped().empty()) return 77;  // ctest counts it as skipped
  return failed;
}
