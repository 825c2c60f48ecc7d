#!/usr/bin/env bash
# Sets up, builds, and follows a cockatoo through 40 frames of a real video, from a mask of the first.
# Everything it makes lies in out/demo; a second run starts from the frames that are there.
set -euo pipefail
cd "$(dirname "$0")/.."
out=out/demo
bash apps/packages.sh cmake ninja-build g++ catch2 libeigen3-dev libcli11-dev libstb-dev \
  nlohmann-json3-dev libpng-dev libjpeg-dev pkg-config libavformat-dev libavcodec-dev \
  libswscale-dev libavutil-dev ffmpeg
cmake --preset release >/dev/null
cmake --build build/release --target munet_program

# The video is in Debian's python3-imageio; the package is unpacked here, not installed.
if [[ ! -d $out/frames ]]; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  download() { (cd "$work" && apt-get download -qq python3-imageio 2>/dev/null); }
  download || { [[ $EUID -eq 0 ]] && apt-get update -qq && download; } || {
    echo "demo: cannot download the package python3-imageio, which holds the video" >&2
    exit 1
  }
  dpkg -x "$work"/python3-imageio_*.deb "$work"
  mkdir -p "$work/frames" "$out"
  ffmpeg -v error -i "$(find "$work" -name cockatoo.mp4)" -start_number 236 -q:v 2 \
    -vf "select='between(n,236,275)',setpts=N/20/TB,scale=854:480" -r 20 "$work/frames/%05d.jpg"
  mv "$work/frames" "$out/frames"
fi

# At 160 pixels: the shipped weights learned from 256-pixel pictures, and at full size such a large
# bird is taken for its surroundings.
rm -rf "$out/masks"
build/release/munet segment "$out/frames" --mask apps/demo/first.png -o "$out/masks" --size 160

# Masks in half-transparent red over the frames, as a film and as a sheet of ten.
blend="[1:v]format=rgba,colorkey=black:0.01:0,colorchannelmixer=rr=2:aa=0.5[m];[0:v][m]overlay"
inputs=(-framerate 20 -start_number 236 -i "$out/frames/%05d.jpg"
  -framerate 20 -start_number 236 -i "$out/masks/%05d.png")
ffmpeg -v error -y "${inputs[@]}" -filter_complex "$blend,format=yuv420p" "$out/overlay.mp4"
ffmpeg -v error -y "${inputs[@]}" -frames:v 1 \
  -filter_complex "$blend,select='not(mod(n,4))',scale=342:192,tile=5x2" "$out/sheet.png"
echo "masks: $out/masks    film: $out/overlay.mp4    at a glance: $out/sheet.png"
