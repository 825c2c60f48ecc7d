#!/usr/bin/env bash
# packages.sh NAME...: installs the Debian or Ubuntu packages that are missing; without the rights to
# do so, says which to ask for.
set -euo pipefail
missing=()
for name in "$@"; do
  dpkg-query -W -f '${Status}' "$name" 2>/dev/null | grep -q 'ok installed' || missing+=("$name")
done
[[ ${#missing[@]} -eq 0 ]] && exit 0
if [[ $EUID -ne 0 ]]; then
  echo "missing packages: please run  sudo apt-get install ${missing[*]}" >&2
  exit 1
fi
echo "installing ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
install=(apt-get install -y -qq --no-install-recommends "${missing[@]}")
log=$(mktemp)
trap 'rm -f "$log"' EXIT
"${install[@]}" >"$log" 2>&1 || { apt-get update -qq >"$log" 2>&1 && "${install[@]}" >"$log" 2>&1; } || {
  cat "$log" >&2
  exit 1
}
