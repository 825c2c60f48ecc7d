#!/usr/bin/env bash
# Keeps README.md true.
#   readme.sh extract FOLDER      writes each ```cpp block to FOLDER/readme_N.cpp and the ```text block
#                                 right after it, its output, to FOLDER/readme_N.txt
#   readme.sh run FOLDER PROGRAM EXE...   runs the built blocks and compares their output, runs the
#                                 shell blocks marked <!-- run -->, checks links and line counts
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
readme=$root/README.md

extract() {
  rm -f "$1"/readme_*
  mkdir -p "$1"
  awk -v folder="$1" '
    /^```cpp$/ { file = folder "/readme_" ++n ".cpp"; next }
    /^```text$/ { if (last == "```" && cpp) file = folder "/readme_" n ".txt"; next }
    /^```$/ { cpp = (file ~ /cpp$/); file = ""; last = $0; next }
    { if (file) print > file; else last = $0 }' "$readme"
}

run() {
  local folder=$1 program=$2 work
  shift 2
  work=$(mktemp -d)
  trap "rm -rf '$work'" EXIT
  cd "$root"
  for exe in "$@"; do
    "$exe" >"$work/output"
    diff "$folder/$(basename "$exe").txt" "$work/output" || { echo "README: $(basename "$exe") prints something else"; exit 1; }
  done

  # Shell blocks find the program, two frames, a first mask and, as if it did not move, true masks.
  awk '/^<!-- run -->$/ { marked = 1; next }
       /^```sh$/ && marked { on = 1; next }
       /^```$/ { on = marked = 0 }
       on' "$readme" >"$work/blocks.sh"
  [[ -s $work/blocks.sh ]] || { echo "README: no shell block is marked as runnable"; exit 1; }
  mkdir "$work/bin" "$work/frames" "$work/truth"
  ln -s "$program" "$work/bin/munet"
  cp apps/demo/first.png "$work"
  for i in 00000 00001; do
    { printf 'P6\n854 480\n255\n'; head -c $((854 * 480 * 3)) /dev/zero | tr '\0' 'Z'; } >"$work/frames/$i.ppm"
    cp apps/demo/first.png "$work/truth/$i.png"
  done
  (cd "$work" && PATH=$work/bin:$PATH bash -euo pipefail blocks.sh)

  # Links lead somewhere, and line counts are within a fifth of the truth.
  grep -o '](\([^)#]*\))' "$readme" | sed 's/](\(.*\))/\1/' | grep -v '^http' | while read -r link; do
    [[ -e $link ]] || { echo "README: no such file: $link"; exit 1; }
  done
  grep '^| \[.*\] *|\|^| \[.*) |' "$readme" | while IFS='|' read -r _ files claimed _; do
    lines=$(grep -o '([^)]*)' <<<"$files" | tr -d '()' | xargs cat | wc -l)
    if ((lines * 10 < claimed * 8 || lines * 10 > claimed * 12)); then
      echo "README: $files has $lines lines, not $claimed"
      exit 1
    fi
  done
}

"$@"
