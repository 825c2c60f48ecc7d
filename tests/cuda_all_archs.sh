#!/usr/bin/env bash
# Compiles the CUDA kernels for every architecture that munet is shipped for (slow: about ten minutes on
# two cores) and checks that machine code of each, and PTX for later cards, is in the library.
#   cuda_all_archs.sh ["75;90"]    of these only
# MUNET_CUOBJDUMP names cuobjdump where it is neither on the PATH nor in the toolkit (Debian's
# nvidia-cuda-toolkit and PyPI's nvidia-cuda-cuobjdump have it).
set -euo pipefail
cd "$(dirname "$0")/.."
architectures=${1:-75;80;86;89;90}
given=() # else as ops_cuda/cuda.cmake has it: code for each, PTX of the last one
(($# == 0)) || given=("-DCMAKE_CUDA_ARCHITECTURES=${architectures//;/-real;}")
cmake --preset cuda -B build/cuda-all -DMUNET_VIDEO=OFF -DMUNET_TESTS=OFF "${given[@]}"
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
for architecture in ${architectures//;/ }; do
  found=$(grep -c "\.sm_$architecture\." <<<"$code" || true)
  echo "sm_$architecture: $found files of machine code"
  ((found > 0)) || missing=1
done
last=${architectures##*;}
ptx=$("$cuobjdump" --list-ptx $library | grep -c "sm_$last\|compute_$last" || true)
echo "PTX of $last for later cards: $ptx files"
((ptx > 0 && kernels > 0 && missing == 0))
