#!/usr/bin/env bash
# Training end to end beside the reference's train_bootstrap.py on the same data, interleaved: clips
# per second and the share of time that munet's step waited for the loader. Options: those of
# train_throughput.py.
#   tests/peers/train_throughput.sh --data ../shared/data [--rounds 3] [--seconds 20]
# MUNET_PEERS is a Python environment with torch (default build/peers, made by run.sh); what
# train_bootstrap.py needs beyond it (OpenCV, Pillow) goes to build/peers-cv, or MUNET_PEERS_CV.
# MUNET_BUILT=1: build/release/munet is used as it is.
set -euo pipefail
cd "$(dirname "$0")/../.."
peers=${MUNET_PEERS:-build/peers} cv=${MUNET_PEERS_CV:-build/peers-cv}
[ -x "$peers/bin/python" ] || python3 -m venv "$peers"
"$peers/bin/python" -c 'import torch' 2>/dev/null || "$peers/bin/pip" install --quiet torch numpy
export PYTHONPATH=$cv
"$peers/bin/python" -c 'import cv2, PIL' 2>/dev/null ||
  "$peers/bin/pip" install --quiet --target "$cv" --no-deps opencv-python-headless pillow
if [ -z "${MUNET_BUILT:-}" ]; then
  cmake --preset release >&2
  cmake --build build/release --target munet_program >&2
fi
lscpu | sed -n 's/^Model name: *//p'
exec "$peers/bin/python" tests/peers/train_throughput.py "$@"
