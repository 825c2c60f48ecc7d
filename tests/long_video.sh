#!/usr/bin/env bash
# A long video through `munet segment`: memory does not grow with its length; SIGTERM and Ctrl-C on
# the way lose no finished frame, and --resume ends in the very same masks. Takes minutes; not part
# of tests/run.sh.   usage: bash tests/long_video.sh [BUILD_FOLDER [MINUTES]]
set -euo pipefail
cd "$(dirname "$0")/.."
munet=$PWD/${1:-build/release}/munet minutes=${2:-10}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
fail() { echo "long_video: $*" >&2; exit 1; }
masks_in() { find "$1" -name '*.png' 2>/dev/null | wc -l; }

ffmpeg -v error -f lavfi -i testsrc2=size=1280x720:rate=15 -t 60 -c:v libx264 -preset ultrafast \
  -pix_fmt yuv420p minute.mp4 </dev/null
ffmpeg -v error -stream_loop $((minutes - 1)) -i minute.mp4 -c copy video.mp4 </dev/null
"$munet" frame video.mp4 -o frame.png >/dev/null
"$munet" mask frame.png --box 400,200,300,300 -o first.png >/dev/null
run=("$munet" segment video.mp4 --mask first.png --size 96)

echo "resident memory of $((minutes * 900)) frames of 1280x720:"
"${run[@]}" --memory-budget 16MiB -o long >/dev/null 2>long.log & pid=$!
while kill -0 $pid 2>/dev/null; do
  rss=$(awk '/^VmRSS/ {print $2}' /proc/$pid/status 2>/dev/null) || true
  [[ -n $rss ]] && echo "$(masks_in long) $rss" >>rss
  sleep 1
done
wait $pid || fail "$(tail -1 long.log)"
[[ $(masks_in long) -eq $((minutes * 900)) ]] || fail "$(masks_in long) masks"
awk -v all=$((minutes * 900)) '
  { tenth = int($1 * 10 / all); if (tenth > 9) tenth = 9; mb = $2 / 1024; if (mb > peak[tenth]) peak[tenth] = mb }
  END {
    for (i = 0; i < 10; ++i) {
      printf "  up to %3d %%: %4.0f MiB\n", 10 * (i + 1), peak[i]
      half = i < 5 ? 0 : 1; if (peak[i] > most[half]) most[half] = peak[i]
    }
    if (most[1] > 1.03 * most[0]) { print "long_video: it grew in the second half"; exit 1 }
  }' rss

# Its first frames twice more: at a stretch, and in three parts. The bank is full at frame 250.
run+=(--range 0:300 --memory-budget 4MiB)
"${run[@]}" -o whole --overlay whole.mp4 >/dev/null 2>whole.log || fail "$(tail -1 whole.log)"
stop_at() {  # SIGNAL STATUS MASKS [OPTION]
  "${run[@]}" -o parts --overlay parts.mp4 ${4:-} >/dev/null 2>parts.log & pid=$!
  until [[ $(masks_in parts) -ge $3 ]]; do
    kill -0 $pid 2>/dev/null || fail "ended before $1: $(tail -1 parts.log)"
    sleep 0.05
  done
  kill -"$1" $pid
  local status=0
  wait $pid || status=$?
  [[ $status -eq $2 ]] || fail "$1: expected exit status $2; it was $status"
  for mask in parts/*; do cmp "$mask" "whole/${mask#parts/}" || fail "$1: $mask is not whole"; done
  echo "$1 after $(masks_in parts) masks: all whole"
}
stop_at TERM 143 100
stop_at INT 130 200 --resume
[[ $(masks_in parts) -lt 300 ]] || fail "it had ended before it was interrupted"
"${run[@]}" -o parts --overlay parts.mp4 --resume >/dev/null 2>parts.log || fail "$(tail -1 parts.log)"
diff -r whole parts
cmp whole.mp4 parts.mp4
[[ ! -e parts.resume ]] || fail "parts.resume is left"
echo "resumed to the end: masks and film are the same bytes as without interruptions"
