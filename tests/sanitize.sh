#!/usr/bin/env bash
# AddressSanitizer and UndefinedBehaviorSanitizer over every test (preset asan). Slow; not part of
# tests/run.sh. Arguments go to ctest.
#   sanitize.sh threads   ThreadSanitizer (preset tsan) over the tests that use several threads
set -euo pipefail
cd "$(dirname "$0")/.."
if [[ ${1:-} == threads ]]; then
  cmake --preset tsan
  cmake --build build/tsan --target engine_test model_test device_test
  build/tsan/engine_test '*parallel*'
  build/tsan/device_test '[threads]' # several videos on one card, which the host plays
  exec build/tsan/model_test '[threads],[c_api]'
fi
cmake --preset asan
cmake --build build/asan
ctest --test-dir build/asan --output-on-failure "$@"
