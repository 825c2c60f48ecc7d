#!/usr/bin/env bash
# munet's speed beside its peers', on this machine: PyTorch, ONNX Runtime and OpenVINO from PyPI in a
# virtual environment ($MUNET_PEERS, default build/peers; about 6 GB).
#   run.sh [--preset LIST] [--size LIST] [--objects LIST] [--threads LIST] [other options of peers.py]
# runs every combination of the lists (commas; default: munet18,munet50 480x864 1,3 2,1) and ends
# with one table of all.  run.sh --train [options of train.py]: a training step instead.
set -euo pipefail
cd "$(dirname "$0")/../.."
peers=${MUNET_PEERS:-build/peers}
[ -x "$peers/bin/python" ] || python3 -m venv "$peers"
"$peers/bin/python" -c 'import torch, onnxruntime, openvino, onnx' 2>/dev/null ||
  "$peers/bin/pip" install --quiet torch numpy onnx onnxruntime openvino
if [ -z "${MUNET_BUILT:-}" ]; then  # set: build/release/munet is used as it is
  cmake --preset release >&2
  cmake --build build/release --target munet_program >&2
fi
lscpu | sed -n 's/^Model name: *//p'
"$peers/bin/pip" list 2>/dev/null | grep -E '^(torch|onnxruntime|openvino) '
if [ "${1:-}" = --train ]; then
  exec "$peers/bin/python" -W ignore tests/peers/train.py "${@:2}"
fi
preset=munet18,munet50 size=480x864 objects=1,3 threads=2,1 rest=()
while [ $# -gt 0 ]; do
  case $1 in
    --preset) preset=$2 ;;
    --size) size=$2 ;;
    --objects) objects=$2 ;;
    --threads) threads=$2 ;;
    *) rest+=("$1" "$2") ;;
  esac
  shift 2
done
table=$(mktemp)
trap 'rm -f "$table"' EXIT
for p in ${preset//,/ }; do
  for s in ${size//,/ }; do
    for n in ${objects//,/ }; do
      for t in ${threads//,/ }; do
        "$peers/bin/python" -W ignore tests/peers/peers.py --preset "$p" --size "$s" \
          --objects "$n" --threads "$t" --table "$table" ${rest[@]+"${rest[@]}"}
      done
    done
  done
done
cat "$table"
