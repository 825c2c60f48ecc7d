#!/usr/bin/env bash
# Sets up, builds, and follows a cockatoo through two seconds of a real video, as anybody would with
# a video of their own: a frame, its mask, the masks of the others, a film and a sheet to look at.
# Everything it makes lies in out/demo; what is there already is not made again.
set -euo pipefail
cd "$(dirname "$0")/.."
out=out/demo
bash apps/packages.sh cmake ninja-build g++ catch2 libeigen3-dev libcli11-dev libstb-dev \
  nlohmann-json3-dev libpng-dev libjpeg-dev pkg-config libavformat-dev libavcodec-dev \
  libswscale-dev libavutil-dev
cmake --preset release >/dev/null
cmake --build build/release --target munet_program
munet=build/release/munet
mkdir -p "$out"

# The video is in Debian's python3-imageio; the package is unpacked here, not installed.
video=$out/cockatoo.mp4
bash apps/package_file.sh python3-imageio cockatoo.mp4 "$video"

run() { echo "+ ${*/#$munet/munet}" >&2 && "$@"; }
if [[ ! -s $out/film.mp4 || ! -s $out/sheet.png || $munet -nt $out/film.mp4 ]]; then
  run $munet frame "$video" --at 236 -o "$out/frame.png" --force
  run $munet mask "$out/frame.png" -o "$out/first.png" --force --polygon 390,720 402,659 450,592 \
    495,543 577,498 659,472 689,427 712,360 727,307 749,255 779,202 809,142 862,97 929,72 989,64 \
    1042,67 1034,57 1079,45 1139,52 1199,87 1244,142 1262,195 1256,247 1229,292 1249,337 1250,397 \
    1237,450 1207,487 1162,496 1109,492 1106,532 1087,567 1049,577 1012,612 1034,659 1045,720
  # At 240 pixels: the shipped weights learned from 256-pixel pictures, and in larger ones so large a
  # bird gets holes.
  run $munet segment "$video" --range 236:276 --mask "$out/first.png" -o "$out/masks" --size 240 \
    --overlay "$out/film.mp4" --force
  run $munet overlay "$video" "$out/masks" --range 236:276 -o "$out/sheet.png" --force
fi
echo "the film: $out/film.mp4    at a glance: $out/sheet.png    the masks: $out/masks"
echo "with a video of your own: $PWD/$munet says what to do first"
