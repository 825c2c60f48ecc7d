#!/usr/bin/env bash
# munet's speed beside its peers', on this machine: PyTorch, ONNX Runtime and OpenVINO from PyPI in a
# virtual environment ($MUNET_PEERS, default build/peers; about 6 GB), then peers.py for both presets,
# one and three objects. Arguments go to peers.py instead, if there are any.
set -euo pipefail
cd "$(dirname "$0")/../.."
peers=${MUNET_PEERS:-build/peers}
[ -x "$peers/bin/python" ] || python3 -m venv "$peers"
"$peers/bin/python" -c 'import torch, onnxruntime, openvino, onnx' 2>/dev/null ||
  "$peers/bin/pip" install --quiet torch numpy onnx onnxruntime openvino
cmake --preset release >&2
cmake --build build/release --target munet_program >&2
lscpu | sed -n 's/^Model name: *//p'
"$peers/bin/pip" list 2>/dev/null | grep -E '^(torch|onnxruntime|openvino) '
if [ $# -gt 0 ]; then
  exec "$peers/bin/python" -W ignore tests/peers/peers.py "$@"
fi
for preset in munet18 munet50; do
  for objects in 1 3; do
    "$peers/bin/python" -W ignore tests/peers/peers.py --preset $preset --objects $objects
  done
done
