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
# Where nvcc is, the CUDA kernels compile too, for one card, and are run where there is one.
if command -v nvcc >/dev/null || [[ -x ${CUDA_PATH:-/usr/local/cuda}/bin/nvcc ]]; then
  cmake --preset cuda -DCMAKE_CUDA_ARCHITECTURES=75-real -DMUNET_VIDEO=OFF
  cmake --build build/cuda --target munet_engine
  if nvidia-smi -L >/dev/null 2>&1; then
    cmake --preset cuda -DCMAKE_CUDA_ARCHITECTURES=native
    cmake --build build/cuda --target cuda_test
    build/cuda/cuda_test || status=$?
  fi
else
  echo 'SKIPPED: compiling the CUDA kernels: no nvcc'
fi
# Skips are loud: how many, and why.
reasons=$(grep -hs '^SKIPPED: ' build/dev/Testing/Temporary/LastTest.log | sort | uniq -c || true)
skipped=$(awk '{ n += $1 } END { print n + 0 }' <<<"$reasons")
echo "skipped checks: $skipped"
[[ $skipped -eq 0 ]] || echo "$reasons"
exit $status
