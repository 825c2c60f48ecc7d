#!/usr/bin/env bash
# munet evaluate and DAVIS's official program on the same masks, side by side: the eight val-dev
# sequences (491 frames). Fails if ours takes 3 s or more, or a tenth of the other's time or more.
# usage: bash tests/score_speed.sh MUNET OFFICIAL_CHECKOUT PYTHON [RESULTS]
# PYTHON has the official program's packages; RESULTS holds a folder of masks per sequence.
set -euo pipefail
cd "$(dirname "$0")/.."
shared=${MUNET_SHARED:-../shared} program=$(realpath "$1") official=$(realpath "$2") python=$3
results=${4:-$shared/parity/labels}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# As a DAVIS 2017 tree: the object is 1 and not white, which the official program takes for void.
"$python" - "$shared/data/davis2016" "$results" "$work" <<'PY'
import sys
from pathlib import Path
import numpy as np
from PIL import Image
davis, results, work = map(Path, sys.argv[1:])
names = [Path(line.split()[0]).name for line in open(davis / "ImageSets/2016/val-dev.txt")]
(work / "davis/ImageSets/2017").mkdir(parents=True)
(work / "davis/ImageSets/2017/val.txt").write_text("\n".join(names) + "\n")
for name in names:
    for source, to in ((davis / "Annotations/480p", work / "davis/Annotations/480p"), (results, work / "results")):
        (to / name).mkdir(parents=True)
        for path in sorted((source / name).glob("*.png")):
            ids = np.array(Image.open(path).convert("L") if source != results else Image.open(path))
            mask = Image.fromarray((ids > 0).astype(np.uint8))
            mask.putpalette([0, 0, 0, 128, 0, 0])
            mask.save(to / name / path.name)
    (work / "davis/JPEGImages/480p" / name).parent.mkdir(parents=True, exist_ok=True)
    (work / "davis/JPEGImages/480p" / name).symlink_to((davis / "JPEGImages/480p" / name).resolve())
PY
seconds() { local start; start=$(date +%s.%N); "$@" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }; awk -v a="$start" -v b="$(date +%s.%N)" 'BEGIN { print b - a }'; }
ours=$(seconds "$program" evaluate "$work/results" --dataset "$work/davis" -j 2 -o "$work/ours")
theirs=$(cd "$official" && seconds "$python" evaluation_method.py --task semi-supervised \
  --davis_path "$work/davis" --set val --results_path "$work/results")
diff "$work/ours/global_results-val.csv" "$work/results/global_results-val.csv" && echo "the same global CSV"
awk -v a="$ours" -v b="$theirs" 'BEGIN { printf "munet evaluate %.2f s, official program %.1f s: %.0f times as fast\n", a, b, b / a
  exit !(a < 3 && a * 10 < b) }'
