#!/usr/bin/env bash
# All that needs a card, in one go and under nine minutes: builds for the card of this machine, runs the
# op table's parity and gradients, both networks and twenty training steps against the CPU, memcheck, and
# benchmarks of munet and of PyTorch. Needs nvcc, CMake and build/gpu-deps (tests/gpu_pack.sh), no network.
#   gpu.sh [REPORT]      REPORT: build/gpu/report.md by default. Exits with 1 if a check failed.
# MUNET_GPU_ARCHITECTURES=90-real builds for that card where there is none: then nothing runs.
set -uo pipefail
cd "$(dirname "$0")/.."
report=${1:-build/gpu/report.md}
mkdir -p build/gpu "$(dirname "$report")"
: >"$report"
start=$SECONDS
failed=0
say() { printf '%s\n' "$@" | tee -a "$report"; }  # each argument a line
budget=${MUNET_GPU_SECONDS:-520}               # nine minutes, less a margin
left() { echo $((budget - (SECONDS - start))); }

# step TITLE SECONDS COMMAND...: runs it, with its output in the report; a failure is counted.
step() {
  local title=$1 limit=$2 status=0 began=$SECONDS
  shift 2
  local rest
  rest=$(left)
  if ((rest < 10)); then
    say "## $title" "" "NOT RUN: no time left" ""
    failed=1
    return 1
  fi
  say "## $title" ""
  say '```'
  timeout $((limit < rest ? limit : rest)) "$@" >build/gpu/step.log 2>&1 || status=$?
  grep -v '^\[ *[0-9/%]*\] \(Building\|Linking\|Built\)' build/gpu/step.log | tail -n 120 | tee -a "$report"
  say '```'
  if ((status)); then say "FAILED: exit status $status after $((SECONDS - began)) s" ""; else
    say "passed in $((SECONDS - began)) s" ""
  fi
  ((status == 0)) || failed=1
  return $status
}

python=$(command -v python3 || true)
# Libraries may lie in Python's packages only: nvidia/cudnn and nvidia/cu13 or nvidia/cublas.
libraries=
if [[ -n $python ]]; then
  libraries=$("$python" - <<'P'
import glob, os, sys
found = [os.path.dirname(os.path.dirname(f)) for path in sys.path if os.path.isdir(path)
         for name in ("libcudnn.so.9", "libcublasLt.so.1*")
         for f in sorted(glob.glob(os.path.join(path, "nvidia", "*", "lib", name)))]
print(";".join(dict.fromkeys(found)))
P
  )
fi
for folder in ${libraries//;/ }; do
  LD_LIBRARY_PATH=$folder/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
done
export LD_LIBRARY_PATH=${LD_LIBRARY_PATH:-}

say "# munet on a card" ""
say "- date: $(date -u '+%Y-%m-%d %H:%M UTC')"
say "- commit: $(cat build/gpu-deps/commit 2>/dev/null || git rev-parse HEAD 2>/dev/null || echo unknown)"
say "- card: $(nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>/dev/null ||
  echo 'none (nvidia-smi)')"
say "- nvcc: $(nvcc --version 2>/dev/null | grep -o 'release.*' || echo 'not on the PATH')"
say "- processor: $(grep -m1 'model name' /proc/cpuinfo | cut -d: -f2), $(nproc) cores"
say "- libraries in Python's packages: ${libraries:-none}" ""

generator=()
command -v ninja >/dev/null && generator=(-G Ninja)
configure=(cmake -S . -B build/gpu "${generator[@]}" -DCMAKE_BUILD_TYPE=Release -DMUNET_CUDA=ON
  -DMUNET_VIDEO=OFF "-DCMAKE_CUDA_ARCHITECTURES=${MUNET_GPU_ARCHITECTURES:-native}"
  "-DCMAKE_PREFIX_PATH=$PWD/build/gpu-deps" "-DMUNET_CUDA_LIBRARIES=$libraries")
step "Configure" $((budget / 5)) "${configure[@]}" || exit 1
step "Build" $((budget * 3 / 5)) cmake --build build/gpu -j "$(nproc)" --target parity_test cuda_test munet_program ||
  exit 1

if ! nvidia-smi -L >/dev/null 2>&1; then
  say "There is no card here: the tests say so, nothing is measured." ""
  build/gpu/cuda_test "[cuda]" 2>&1 | tail -n 20 | tee -a "$report"
  exit 1
fi

# A skip here is a failure: nothing may be left out on a machine with a card.
no_skips() {
  "$@" || return
  ! grep -q '^SKIPPED' build/gpu/step.log
}
export -f no_skips
step "The op table on the card: forward and gradients, f32, f64 and half; wrong devices" 120 \
  bash -c 'no_skips build/gpu/parity_test "op/*"'
step "Slots, memory, both networks, twenty training steps" 120 \
  bash -c 'no_skips build/gpu/cuda_test "[cuda]"'
step "The op table again, waiting after every launch (MUNET_SYNC=1)" 90 \
  env MUNET_SYNC=1 build/gpu/parity_test "op/*"

# Memcheck needs the driver's debugging interface, which some virtual machines do not give.
sanitizer=$(command -v compute-sanitizer || ls /usr/local/cuda/bin/compute-sanitizer 2>/dev/null || true)
if [[ -z $sanitizer ]]; then
  say "## Memcheck" "" "NOT RUN: no compute-sanitizer" ""
elif ! timeout 60 "$sanitizer" --tool memcheck --error-exitcode 9 build/gpu/parity_test "op/softmax" \
  >build/gpu/sanitizer.log 2>&1 && grep -qi 'not supported\|error 999\|unable to' build/gpu/sanitizer.log; then
  say "## Memcheck" "" "NOT RUN: compute-sanitizer does not work here: $(grep -im1 'not supported\|error 999\|unable to' build/gpu/sanitizer.log)" ""
else
  step "Memcheck over the op table" 120 "$sanitizer" --tool memcheck --error-exitcode 9 \
    build/gpu/parity_test "op/*"
fi

munet=build/gpu/munet
for preset in munet18 munet50; do
  for precision in f32 tf32 bf16 f16; do
    step "munet: $preset, $precision, one object, five frames in memory, 480x864" 30 \
      $munet bench --device cuda --precision $precision --preset $preset --rounds 20
  done
done
# objects, precision, and how much memory there seems to be
for run in "1 f32 all" "2 f32 all" "3 f32 all" "3 f32 11GiB" "2 tf32 all" "2 bf16 all" "2 f16 all"; do
  read -r objects precision memory <<<"$run"
  step "munet: training step, munet50, $precision, $objects objects, 6 frames of 400x400, memory: $memory" 40 \
    $munet bench --train --device cuda --precision $precision --preset munet50 --objects $objects \
    --size 400x400 --frames 6 --rounds 5 $([[ $memory == all ]] || echo --device-memory $memory)
done
reference=build/gpu-deps/reference
if [[ -f $reference/munet_reference.py && -n $python ]] && "$python" -c 'import torch' 2>/dev/null; then
  step "PyTorch: the same in eager and torch.compile" "$(left)" \
    "$python" tests/gpu_reference.py "$reference" "$(left)"
else
  say "## PyTorch" "" "NOT RUN: no munet_reference.py in $reference, or no Python with torch" ""
fi
say "total: $((SECONDS - start)) s"
((failed == 0)) && say "all checks passed" || say "SOME CHECKS FAILED"
exit $failed
