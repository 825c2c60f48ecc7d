#!/usr/bin/env bash
# AddressSanitizer and UndefinedBehaviorSanitizer over every test (preset asan). Slow; not part of
# tests/run.sh. Arguments go to ctest.
set -euo pipefail
cd "$(dirname "$0")/.."
cmake --preset asan
cmake --build build/asan
ctest --test-dir build/asan --output-on-failure "$@"
