#!/usr/bin/env bash
# Compiles the CUDA kernels for every architecture that munet is shipped for (slow: about ten minutes on
# two cores) and checks that machine code of each, and PTX for later cards, is in the library.
# MUNET_CUOBJDUMP names cuobjdump where it is neither on the PATH nor in the toolkit (Debian's
# nvidia-cuda-toolkit and PyPI's nvidia-cuda-cuobjdump have it).
set -euo pipefail
cd "$(dirname "$0")/.."
cmake --preset cuda -B build/cuda-all -DMUNET_VIDEO=OFF -DMUNET_TESTS=OFF
cmake --build build/cuda-all --target munet_engine
library=build/cuda-all/libmunet_engine.a
cuobjdump=${MUNET_CUOBJDUMP:-$(command -v cuobjdump ||
  ls "${CUDA_PATH:-/usr/local/cuda}/bin/cuobjdump" 2>/dev/null || true)}
if [[ -z $cuobjdump ]]; then
  echo "SKIPPED: which code is in $library: no cuobjdump"
  exit 77
fi
code=$("$cuobjdump" --list-elf $library)
kernels=$(grep -c '\.cubin' <<<"$code")
missing=0
for architecture in sm_75 sm_80 sm_86 sm_89 sm_90; do
  found=$(grep -c "\.$architecture\." <<<"$code" || true)
  echo "$architecture: $found files of machine code"
  ((found > 0)) || missing=1
done
ptx=$("$cuobjdump" --list-ptx $library | grep -c 'sm_90\|compute_90' || true)
echo "PTX for 9.0 and later: $ptx files"
((ptx > 0 && kernels > 0 && missing == 0))
