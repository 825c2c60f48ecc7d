#!/usr/bin/env bash
# Does a checkpoint keep similar instances apart? The same two clips for all weights:
#   davis17-schoolgirls   four girls, three of their rucksacks: J, F, and frames in which a mask is
#                         more on another object than on its own
#   vtest.avi 300 to 360  two of six pedestrians: areas marked, and whether they are on their man;
#                         where the men are was drawn by hand on nine frames (vtest_boxes.txt)
# Prints Markdown; masks and sheets to look at lie in OUT.
# usage: bash tests/identity/run.sh [WEIGHTS] [OUT] [BUILD_FOLDER] [OPTIONS ...]
# OPTIONS: of munet segment, for vtest.avi: --size 960 --enlarge
set -euo pipefail
cd "$(dirname "$0")/../.."
weights=${1:-munet/weights/munet18.safetensors}
name=$(basename "$weights" .safetensors)
build=${3:-build/release} out=${2:-build/identity/$name} options=("${@:4}")
data=${MUNET_SHARED:-../shared}/data/multi-object girls=davis17-schoolgirls
[ -n "${MUNET_BUILT:-}" ] || cmake --build "$build" --target munet_program identity_measure >&2
munet=$build/munet
rm -rf "$out"
mkdir -p "$out/tree/JPEGImages" "$out/tree/Annotations"

echo "## $name"
echo
if [ -d "$data/JPEGImages/$girls" ]; then
  for part in JPEGImages Annotations; do
    ln -s "$(realpath "$data/$part/$girls")" "$out/tree/$part/$girls"
  done
  "$munet" evaluate "$out/girls" --dataset "$out/tree" --run "$weights" --switches >"$out/girls.txt"
  "$munet" overlay "$data/JPEGImages/$girls" "$out/girls/$girls" -o "$out/girls.png" >/dev/null
  awk -F, 'NR == 2 { printf "%s: J&F %.1f, J %.1f, F %.1f", girls, 100 * $1, 100 * $2, 100 * $5 }' \
    girls=$girls "$out"/girls/global_results-*.csv
  awk -F, 'NR == 2 { printf "; identity switched in %d of %d frames.\n", $3, $2 }' \
    "$out"/girls/switches_results-*.csv
else
  echo "$girls: SKIPPED, no $data"
fi

video=build/identity/vtest.avi
bash apps/package_file.sh opencv-doc vtest.avi "$video"
"$munet" frame "$video" --at 300 -o "$out/frame.png" >/dev/null
"$munet" mask "$out/frame.png" -o "$out/first.png" \
  --polygon 320,212 324,210 330,212 329,219 338,223 341,230 344,255 338,258 336,270 338,290 \
  341,296 329,296 327,286 326,270 324,260 315,259 317,240 319,228 322,221 \
  --polygon 591,161 595,159 599,162 599,169 607,174 610,184 610,197 605,200 603,208 600,227 \
  596,227 595,235 590,235 589,208 588,200 583,198 583,188 585,174 591,169 >/dev/null
"$munet" segment "$video" --range 300:361 --mask "$out/first.png" --weights "$weights" \
  -o "$out/men" "${options[@]}" >/dev/null
"$munet" overlay "$video" "$out/men" --range 300:361 -o "$out/men.png" >/dev/null
echo
echo "vtest.avi, frames 300 to 360${options[*]:+, ${options[*]}}:"
echo
"$build/identity_measure" "$out/men" tests/identity/vtest_boxes.txt
echo
echo "To look at: $out/girls.png $out/men.png"
