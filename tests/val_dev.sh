#!/usr/bin/env bash
# Free-running accuracy on the eight val-dev sequences of DAVIS 2016, and on a sequence with seven
# objects, beside the PyTorch reference's masks. Prints the table and fails where a bar is missed:
#   mean J over all within 0.002 of the reference's, each sequence's within 0.01.
# usage: bash tests/val_dev.sh [BUILD_FOLDER] [MULTI_OBJECT_REFERENCE_LABELS]
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:-build/release}
shared=${MUNET_SHARED:-../shared}
weights=$shared/weights/munet18-bootstrap.safetensors  # what the reference's masks were made with
[ -d "$shared/parity/labels" ] || { echo "val_dev: SKIPPED, no $shared/parity/labels"; exit 77; }
cmake --build "$build" --target video_accuracy >&2
table=$(mktemp)
trap 'rm -f "$table"' EXIT
for sequence in $(cat "$shared/data/davis2016/ImageSets/2016/val-dev.txt"); do
  sequence=$(basename "$sequence")
  "$build/video_accuracy" "$weights" "$shared/data/davis2016/JPEGImages/480p/$sequence" \
    "$shared/data/davis2016/Annotations/480p/$sequence" "$shared/parity/labels/$sequence" | tee -a "$table"
done
awk '{ d = $7 - $9; ours += $7; theirs += $9; n++; if (d > 0.01 || d < -0.01) { print "MISSED: " $1 " differs by " d; bad = 1 } }
     END { d = (ours - theirs) / n
           printf "mean of %d: J %.4f, reference %.4f, difference %+.4f\n", n, ours / n, theirs / n, d
           if (d > 0.002 || d < -0.002) { print "MISSED: the mean differs by more than 0.002"; bad = 1 }
           exit bad }' "$table"
if [ $# -gt 1 ]; then  # label PNGs made by tests/golden/reference_video.py
  multi=$shared/data/multi-object sequence=davis17-schoolgirls
  "$build/video_accuracy" "$weights" "$multi/JPEGImages/$sequence" "$multi/Annotations/$sequence" "$2"
fi
