#!/usr/bin/env bash
# Whether the public headers render as an API reference without a warning.
set -euo pipefail
cd "$(dirname "$0")/.."
if ! command -v doxygen >/dev/null; then
  echo "SKIPPED: API reference: no doxygen"
  exit 77
fi
mkdir -p build
doxygen munet/Doxyfile
grep -q 'Forgets an object' build/api/html/munet_8h.html  # the C functions are in it
