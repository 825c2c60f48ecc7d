#!/usr/bin/env bash
# AddressSanitizer and UndefinedBehaviorSanitizer over every test (preset asan), then ThreadSanitizer
# over those that use several threads. Slow; not part of tests/run.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
cmake --preset asan
cmake --build build/asan
ctest --test-dir build/asan --output-on-failure "$@"
