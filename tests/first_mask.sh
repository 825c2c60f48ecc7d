#!/usr/bin/env bash
# From nothing to the first mask, milliseconds: medians over ROUNDS fresh processes of what
# tests/first_mask.cpp says; one more before them brings the files into memory. Wants a quiet machine.
# usage: bash tests/first_mask.sh [ROUNDS] [BUILD_FOLDER] [WIDTH HEIGHT]
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${1:-7} build=${2:-build/release}
cmake --build "$build" --target first_mask >&2
for ((i = 0; i <= rounds; ++i)); do
  "$build/first_mask" munet/weights/munet18.safetensors "${@:3}"
done | tail -n +2 >"$build/first_mask.txt"
column=0
for name in open "first mask" "network alone" "beyond it"; do
  column=$((column + 1))
  printf '%-14s %6d ms\n' "$name" "$(sort -n -k $column,$column "$build/first_mask.txt" | awk -v c=$column '
    { value[NR] = $c } END { print value[int((NR + 1) / 2)] }')"
done
