#!/usr/bin/env bash
# Ablation at small scale: munet18 trained once per row of the list below and seed, all under one
# small budget, scored on three training sequences of DAVIS 2016 that no row trains on (dance-jump,
# drift-turn, lucia; the validation set is never touched). Beside it what the paper's Table 4 says.
#   tests/ablation.sh [--rows "a b"] [--seeds "1 2"] [--steps 600] [--crop 160] [--frames 3]
#     [--size 240] [--data ../shared/data]
#     [--init ../shared/weights/resnet18-imagenet-trunk.safetensors]
#     [--munet build/release/munet] [--out tests/results/ablation] [--runs build/ablation]
# Appends to OUT.csv and writes OUT.md. Can be stopped and called again: what OUT.csv has under the
# same budget is skipped, an unfinished row goes on from its last checkpoint. A row of 800 steps at
# crop 192 takes about six minutes on two cores.
set -euo pipefail
cd "$(dirname "$0")/.."

# ROW | what the paper reports (J&F, protocol 2 on DAVIS 2017) | keys that differ from row e
list='
e|81.1|
a|76.5|motion=none bootstrap=1 lambda=0
b|78.6|motion=none
c|78.0|bootstrap=1 lambda=0
d|79.7|motion=displacement
f|80.1|fusion=add
g|81.1|
sign||mu_sign=-1
tau||mu_tau=1
border||border=zero
printed||mu_sign=-1 mu_tau=1 mu_scale=1 border=zero
decay||weight_decay=0.5
lambda-0.5||lambda=0.5
lambda-2||lambda=2
position||position_cue=true
'
rows=$(cut -d'|' -f1 <<<"$list") seeds=1 steps=600 crop=160 frames=3 size=240
data=../shared/data init=../shared/weights/resnet18-imagenet-trunk.safetensors
munet=build/release/munet out=tests/results/ablation runs=build/ablation
while [ $# -gt 0 ]; do
  case $1 in
    --rows | --seeds | --steps | --crop | --frames | --size | --data | --init | --munet | --out | --runs)
      declare "${1#--}=$2" ;;
    *) echo "ablation.sh: unknown option $1" >&2 && exit 2 ;;
  esac
  shift 2
done
held_out=dance-jump,drift-turn,lucia
sources=(--data "davis:$data/davis2016,list=2016/train,share=65,without=${held_out//,/+}")
for part in duts-tr-500=20 coco128-seg=5 balloon=3 feral-cats=3 ccp-1004=4; do
  sources+=(--data "stills:$data/static/${part%=*},share=${part#*=}")
done
budget="$steps steps, crop $crop, $frames frames, scored at $size pixels"
mkdir -p "$runs" "$(dirname "$out")"
[ -f "$out.csv" ] || echo "row,seed,budget,keys,J,F,minutes,commit" >"$out.csv"

for seed in $seeds; do
  for row in $rows; do
    line=$(grep "^$row|" <<<"$list") || { echo "ablation.sh: no row $row" >&2 && exit 2; }
    keys=${line##*|}
    [ "$row" = g ] && continue # the paper's second name for e
    grep -q "^$row,$seed,\"$budget\",\"$keys\"," "$out.csv" && continue
    run="$runs/$row-$seed-$steps-$crop-$frames-$size"
    if [ -f "$run/last.safetensors" ]; then
      command=("$munet" train "$run" --resume)
    else
      command=("$munet" train "$run" --force --preset ours --init "$init" "${sources[@]}"
        --validate "$data/davis2016@2016/train:$held_out")
      for key in steps="$steps" crop="$crop" clip_frames="$frames" seed="$seed" ema=0.99 \
        validate_every="$steps" validate_size="$size" $keys; do
        command+=(--set "$key")
      done
    fi
    echo "row $row, seed $seed: $budget${keys:+, $keys}"
    "${command[@]}" --save-every 100 >"$run.log" || { tail -5 "$run.log" >&2 && exit 1; }
    commit=$(git describe --always --dirty 2>/dev/null || echo unknown)
    minutes=$(tail -1 "$run/log.csv" | awk -F, '{printf "%.1f", $3 / 60}')
    tail -1 "$run/validation.csv" | awk -F, -v OFS=, -v row="$row" -v seed="$seed" \
      -v budget="\"$budget\"" -v keys="\"$keys\"" -v minutes="$minutes" -v commit="$commit" \
      '{print row, seed, budget, keys, sprintf("%.4f", $2), sprintf("%.4f", $3), minutes, commit}' \
      >>"$out.csv"
    rm -r "$run"
  done
done

# Means over seeds. A sign other than the paper's is said where it is a point or more; nothing is
# tuned to agree.
{
  echo "# Ablation, munet18, $budget"
  echo
  echo "J and F on $held_out (means over seeds), trained on the rest of DAVIS-2016-train"
  echo "and stills; paper: Table 4, J&F on DAVIS 2017, munet50, full training. Differences are to row e."
  echo "Differences of one seed are no more than a hint; those below a point say nothing."
  echo
  echo "| row | keys | seeds | J | F | J&F | difference | paper's J&F | difference | |"
  echo "|---|---|---|---|---|---|---|---|---|---|"
  { echo "$list" && echo --- && cat "$out.csv"; } | awk -v budget="$budget" '
    /^---$/ { table = 1; next }
    !table && split($0, part, "|") == 3 { order[++n] = part[1]; paper[part[1]] = part[2]; keys[part[1]] = part[3] }
    table && split($0, quoted, "\"") == 5 && quoted[2] == budget {
      split(quoted[1], head, ","); split(quoted[5], tail, ",")
      row = head[1]
      if (quoted[4] == keys[row]) { seeds[row]++; j[row] += tail[2]; f[row] += tail[3] }
    }
    function mean(row) { return (j[row] + f[row]) / 2 / seeds[row] * 100 }
    END {
      for (i = 1; i <= n; ++i) {
        row = order[i]; same = row == "g" ? "e" : row
        if (!seeds[same]) continue
        ours = seeds["e"] ? mean(same) - mean("e") : 0
        theirs = paper[row] - paper["e"]
        word = paper[row] == "" || same == "e" || !seeds["e"] ? "" : \
          ours < 1 && ours > -1 ? "too small to say" : \
          ours * theirs > 0 ? "as the paper" : "contradicts the paper"
        printf "| %s | %s | %d | %.1f | %.1f | %.1f | %s | %s | %s | %s |\n", row, keys[row], \
          seeds[same], 100 * j[same] / seeds[same], 100 * f[same] / seeds[same], mean(same), \
          same == "e" || !seeds["e"] ? "" : sprintf("%+.1f", ours), paper[row], \
          paper[row] == "" || same == "e" ? "" : sprintf("%+.1f", theirs), word
      }
    }'
} >"$out.md"
cat "$out.md"
