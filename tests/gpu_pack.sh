#!/usr/bin/env bash
# Collects what tests/gpu.sh needs and a bare machine with a card has not: headers and static libraries
# of Debian's packages, and the PyTorch statement of the network. About 15 MB in build/gpu-deps, which
# git ignores; carry it along with the sources.
#   gpu_pack.sh [REFERENCE]    a folder with munet_reference.py, by default ../shared/reference
set -euo pipefail
cd "$(dirname "$0")/.."
bash apps/packages.sh catch2 libeigen3-dev libcli11-dev libstb-dev nlohmann-json3-dev libpng-dev \
  libjpeg-dev zlib1g-dev
to=build/gpu-deps
rm -rf $to
mkdir -p $to/include $to/lib/cmake $to/share/cmake $to/share/eigen3
mkdir -p $to/include/eigen3 $to/include/stb $to/reference
cp -r /usr/include/catch2 /usr/include/CLI /usr/include/nlohmann $to/include
cp -r /usr/include/eigen3/Eigen /usr/include/eigen3/signature_of_eigen3_matrix_library \
  $to/include/eigen3
cp /usr/include/stb/stb_image.h $to/include/stb
for header in jpeglib.h jmorecfg.h jerror.h jconfig.h png.h pngconf.h pnglibconf.h zlib.h zconf.h; do
  cp "$(ls /usr/include/$header /usr/include/*-linux-gnu/$header 2>/dev/null | head -1 || true)" $to/include
done
for library in libjpeg.a libpng.a libz.a; do
  cp -L /usr/lib/*-linux-gnu/$library $to/lib
done
for library in /usr/lib/libCatch2*.a /usr/lib/*-linux-gnu/libCatch2*.a; do
  [[ ! -f $library ]] || cp "$library" $to/lib
done
# The packages' CMake files find their headers from where they lie.
for package in Catch2 CLI11 nlohmann_json; do
  found=$(ls -d /usr/{lib,share}/cmake/$package /usr/lib/*-linux-gnu/cmake/$package 2>/dev/null | head -1 || true)
  case $found in
    /usr/share/*) cp -r "$found" $to/share/cmake ;;
    *) cp -r "$found" $to/lib/cmake ;;
  esac
done
cp -r /usr/share/eigen3/cmake $to/share/eigen3
reference=${1:-../shared/reference}
if [[ -f $reference/munet_reference.py ]]; then
  cp "$reference/munet_reference.py" $to/reference
else
  echo "without $reference/munet_reference.py: gpu.sh will have no PyTorch to compare with" >&2
fi
[[ -z $(git rev-parse HEAD 2>/dev/null) ]] || git rev-parse HEAD >$to/commit
du -sh $to
