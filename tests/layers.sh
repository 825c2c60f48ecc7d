#!/usr/bin/env bash
# Checks which folder includes which, where third-party headers stand, and that no file is longer
# than 400 lines. Prints every offending line; exits with 1 if there is one.
#   layers.sh [ROOT]        checks ROOT, by default this repository
#   layers.sh --self-test   plants one violation of each rule: each must be printed
set -euo pipefail

check() (
  cd "$1"
  local folder folders=()
  for folder in tensor autograd nn munet data ops_cuda apps tests; do
    [[ -d $folder ]] && folders+=("$folder")
  done
  find "${folders[@]}" -type f -regex '.*\.\(h\|cpp\|cu\|cuh\|py\|sh\)' | sort | xargs awk '
    function offends(why) { printf "%s:%d: %s: %s\n", FILENAME, FNR, why, $0; found = 1 }
    BEGIN {
      may["tensor"] = "tensor"
      may["autograd"] = may["tensor"] " autograd"
      may["nn"] = may["autograd"] " nn"
      may["munet"] = may["nn"] " munet"
      may["data"] = "tensor data"
      may["ops_cuda"] = may["autograd"] " ops_cuda"
      may["apps"] = may["munet"] " data apps"
      may["tests"] = may["apps"] " ops_cuda tests"
    }
    FNR == 1 { folder = FILENAME; sub("/.*", "", folder) }
    FNR == 401 { offends("a file has at most 400 lines") }
    !/^[ \t]*#[ \t]*include/ { next }
    match($0, /"[^"]*"/) {
      target = substr($0, RSTART + 1, RLENGTH - 2)
      sub("/.*", "", target)
      if (index(" " may[folder] " ", " " target " ") == 0)
        offends(folder " may include only: " may[folder])
    }
    folder == "tests" && /"ops_cuda\/(cuda\.h|register\.h|.*\.cuh)"/ {
      offends("tests include of ops_cuda what is plain C++")
    }
    /[<"]Eigen/ && FILENAME != "tensor/cpu/kernels_generic.cpp" {
      offends("Eigen is for tensor/cpu/kernels_generic.cpp")
    }
    /[<"]CLI/ && folder != "apps" { offends("CLI11 is for apps/") }
    /[<"]nlohmann/ && FILENAME !~ /\.cpp$/ { offends("nlohmann/json is for .cpp files") }
    END { exit found }'
)

# plant FILE LINE: a tree with this one line is refused, and the line is printed.
plant() {
  local tree
  tree=$(mktemp -d)
  mkdir -p "$tree/$(dirname "$1")"
  printf '// A file.\n%b\n' "$2" >"$tree/$1"
  if output=$(check "$tree"); then
    echo "not caught: $1: $2"
    failed=1
  elif [[ $output != "$1:"* ]]; then
    echo "caught, but not printed: $1: $2: $output"
    failed=1
  fi
  rm -r "$tree"
}

if [[ ${1:-} == --self-test ]]; then
  failed=0
  plant tensor/a.h '#include "autograd/node.h"'
  plant tensor/cpu/a.cpp '#  include "nn/module.h"  // far up'
  plant autograd/ops/a.cpp '#include "nn/module.h"'
  plant nn/a.cpp '#include "munet/model.h"'
  plant munet/a.h '#include "data/image.h"'
  plant munet/a.cpp '#include "apps/bench.h"'
  plant data/a.cpp '#include "autograd/ops.h"'
  plant apps/a.cpp '#include "ops_cuda/cuda.h"'
  plant tests/a.cpp '#include "ops_cuda/cuda.h"'
  plant ops_cuda/a.cu '#include "nn/module.h"'
  plant munet/b.cpp '#include "model.h"'
  plant munet/c.cpp '#include "../nn/module.h"'
  plant tensor/cpu/gemm.cpp '#include <Eigen/Core>'
  plant nn/b.cpp '#include <CLI/CLI.hpp>'
  plant nn/checkpoint.h '#include <nlohmann/json.hpp>'
  plant data/b.cpp "$(printf '\\n%.0s' {1..400})"
  exit $failed
fi
check "${1:-$(dirname "$0")/..}"
