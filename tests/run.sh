#!/usr/bin/env bash
# Sets up, builds and tests on a fresh Debian 12 or Ubuntu 22.04 or later. Arguments go to ctest.
set -euo pipefail
cd "$(dirname "$0")/.."
bash apps/packages.sh cmake ninja-build g++ catch2 libeigen3-dev libcli11-dev libstb-dev \
  nlohmann-json3-dev libpng-dev libjpeg-dev pkg-config libavformat-dev libavcodec-dev \
  libswscale-dev libavutil-dev ffmpeg \
  dpkg-dev file doxygen python3-numpy
cmake --preset dev
cmake --build build/dev
status=0
ctest --test-dir build/dev --output-on-failure "$@" || status=$?
# Skips are loud: how many, and why.
reasons=$(grep -h '^SKIPPED: ' build/dev/Testing/Temporary/LastTest.log | sort | uniq -c || true)
skipped=$(awk '{ n += $1 } END { print n + 0 }' <<<"$reasons")
echo "skipped checks: $skipped"
[[ $skipped -eq 0 ]] || echo "$reasons"
exit $status
