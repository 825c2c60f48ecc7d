#!/usr/bin/env bash
# How far trust (munet/trust.h) can be trusted: on DAVIS-2016's val-dev, the median over sequences of
# Spearman's correlation with J has to be 0.4 or more, and true masks at the three frames it picks
# have to raise mean J more than three even ones and three random ones. --fit: the coefficients, from
# the training sequences. Results are kept in CACHE.
# usage: bash tests/trust.sh [--fit] [SIZE] [BUILD_FOLDER] [CACHE]
set -euo pipefail
cd "$(dirname "$0")/.."
mode=--corrections list=2016/val-dev
[[ ${1:-} != --fit ]] || { mode=--fit list=2016/train; shift; }
size=${1:-480} build=${2:-build/release}
cache=${3:-$build/trust}/$size
data=${MUNET_SHARED:-../shared}/data/davis2016
[ -d "$data" ] || { echo "trust: SKIPPED, no $data"; exit 77; }
cmake --build "$build" --target trust_measure >&2
"$build/trust_measure" munet/weights/munet18.safetensors "$data" $list "$size" "$cache" $mode
