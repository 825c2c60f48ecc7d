#!/usr/bin/env bash
# Takes one file out of a Debian package, which is downloaded and unpacked, not installed:
#   apps/package_file.sh PACKAGE NAME OUT
# Nothing is done if OUT is there.
set -euo pipefail
package=$1 name=$2 out=$3
[[ ! -s $out ]] || exit 0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
download() { (cd "$work" && apt-get download -qq "$package" >/dev/null 2>&1); }
download || { [[ $EUID -eq 0 ]] && apt-get update -qq && download; } || {
  echo "$(basename "$0"): cannot download the package $package, which holds $name" >&2
  exit 1
}
dpkg -x "$work/$package"_*.deb "$work"
mkdir -p "$(dirname "$out")"
cp "$(find "$work" -type f -name "$name")" "$out.part"
mv "$out.part" "$out"
