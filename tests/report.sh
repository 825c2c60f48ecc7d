#!/usr/bin/env bash
# The report of the shipped weights on DAVIS-2016's val-dev: three runs (the default, without motion,
# with a memory of the last frames) are segmented and scored, then one page is made of them. Runs that
# are there already are not made again.
# usage: bash tests/report.sh [SIZE] [BUILD_FOLDER] [OUT]
set -euo pipefail
cd "$(dirname "$0")/.."
size=${1:-480} build=${2:-build/release}
out=${3:-$build/report/$size}
data=${MUNET_SHARED:-../shared}/data/davis2016
[ -d "$data" ] || { echo "report: SKIPPED, no $data"; exit 77; }
cmake --build "$build" --target munet_program >&2
mkdir -p "$out"
run() {  # NAME OPTIONS...
  local name=$1; shift
  [ -d "$out/$name" ] && return
  rm -rf "$out/$name.part"
  "$build/munet" evaluate "$out/$name.part" --dataset "$data" --set 2016/val-dev \
    --run munet/weights/munet18.safetensors --size "$size" --trust "$@" >"$out/$name.txt"
  mv "$out/$name.part" "$out/$name"
}
run ours
run without-motion --motion none
run last-frames --memory fifo
cat "$out"/*.txt
"$build/munet" report "$out/ours" "$out/without-motion" "$out/last-frames" --dataset "$data" \
  --set 2016/val-dev --size "$size" -o "$out/report.html" --force
