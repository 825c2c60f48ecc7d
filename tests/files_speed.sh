#!/usr/bin/env bash
# What files cost beside the network: wall time of a run from a 480p H.264 video to PNGs over the time
# in the network, and how long after the start the first predicted mask is there. Fails where a
# median is more than 1.10, or 1 s.
# usage: bash tests/files_speed.sh [BUILD_FOLDER [RUNS [FRAMES]]]
set -euo pipefail
cd "$(dirname "$0")/.."
munet=$PWD/${1:-build/release}/munet runs=${2:-5} frames=${3:-40}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
ffmpeg -v error -f lavfi -i testsrc2=size=854x480:rate=24 -frames:v "$frames" -c:v libx264 \
  -pix_fmt yuv420p video.mp4 </dev/null
"$munet" frame video.mp4 -o frame.png >/dev/null
"$munet" mask frame.png --ellipse 430,240,120,90 -o first.png >/dev/null
now() { date +%s.%N; }
for ((run = 1; run <= runs; ++run)); do
  rm -rf masks summary.json
  start=$(now)
  "$munet" segment video.mp4 --mask first.png -o masks --summary summary.json >/dev/null 2>&1 & pid=$!
  until [[ -e masks/00001.png ]]; do kill -0 $pid || exit 1; sleep 0.005; done
  first=$(now)
  wait $pid
  end=$(now)
  network=$(sed -n 's/.*"network_seconds": \([0-9.]*\).*/\1/p' summary.json)
  awk -v a="$start" -v b="$first" -v c="$end" -v n="$network" \
    'BEGIN { printf "%.3f %.2f %.2f %.2f\n", (c - a) / n, c - a, n, b - a }'
done | tee table
median() { sort -n <(cut -d' ' -f"$1" table) | sed -n "$(((runs + 1) / 2))p"; }
echo "medians of $runs runs, $frames frames of 854x480: wall $(median 2) s, network $(median 3) s," \
  "wall / network $(median 1), first predicted mask after $(median 4) s"
awk -v r="$(median 1)" -v f="$(median 4)" 'BEGIN { exit r > 1.10 || f > 1 }'
