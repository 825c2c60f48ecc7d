// Catch2's main, compiled once. Skips are loud: tests that lack their data call skip() of
// support.h, and the total is printed at the end.
#define CATCH_CONFIG_RUNNER
#include "tests/catch.h"
#include "tests/support.h"

int main(int argc, char** argv) {
  const int failed = Catch::Session().run(argc, argv);
  for (const std::string& reason : skipped()) std::fprintf(stderr, "SKIPPED: %s\n", reason.c_str());
  if (failed == 0 && !skipped().empty()) return 77;  // ctest counts it as skipped
  return failed;
}
