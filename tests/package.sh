#!/usr/bin/env bash
# The packages, from their making to programs that use them.
#   package.sh build   makes the Debian packages for this system, release, in build/package/packages
#   package.sh BUILD   makes them from a finished build, unpacks them anywhere and examines all that
#                      apps/examples/README.md promises: what is exported and needed, sizes, every
#                      example by CMake and every block of the page
set -euo pipefail
cd "$(dirname "$0")/.."
fail() {
  echo "package: $*" >&2
  exit 1
}
quietly() { "$@" >"$log" 2>&1 || { cat "$log"; fail "failed: $*"; }; }
log=$(mktemp)

build=$1
if [[ $build == build ]]; then
  build=build/package
  cmake --preset package
  cmake --build $build
fi
packages=$(realpath "$build")/packages
rm -rf "$packages"
(cd "$build" && quietly cpack -G DEB -B "$packages")
rm -rf "$packages/_CPack_Packages"
(cd "$packages" && ls -s --block-size=K ./*.deb)
[[ $1 == build ]] && exit 0

work=$(mktemp -d)
trap 'rm -rf "$work" "$log"' EXIT
for package in "$packages"/*.deb; do dpkg -x "$package" "$work/any where"; done
prefix="$work/any where/usr"
library=$prefix/lib/libmunet.so.0
weights=$prefix/share/munet/munet18.safetensors
export LD_LIBRARY_PATH=$prefix/lib PKG_CONFIG_PATH=$prefix/lib/pkgconfig

# What the library exports is what munet/munet.symbols lists; what it needs is there on any system.
nm -D --defined-only "$library" | awk '$2 != "A" { print $3 }' | c++filt | LC_ALL=C sort -u >"$work/symbols"
diff munet/munet.symbols "$work/symbols" || fail "libmunet.so exports something else than munet/munet.symbols"
needed=$(readelf -d "$library" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
for name in $needed; do
  case $name in
    libc.so.6 | libm.so.6 | libstdc++.so.6 | libgcc_s.so.1) ;;
    ld-linux*) ;;
    *) fail "libmunet.so needs $name" ;;
  esac
done
strip -o "$work/stripped" "$library"
bytes=$(stat -c %s "$work/stripped")
((bytes < 4000000)) || fail "libmunet.so has $bytes bytes"
echo "libmunet.so: $bytes bytes; needs" $needed
"$prefix/bin/munet" --version

# Without the program's libraries the library alone can still be configured.
quietly cmake -S . -B "$work/minimal" -G Ninja -DMUNET_APPS=OFF -DMUNET_TESTS=OFF -DMUNET_VIDEO=OFF -DMUNET_CUDA=OFF \
  -DCMAKE_DISABLE_FIND_PACKAGE_PNG=ON -DCMAKE_DISABLE_FIND_PACKAGE_JPEG=ON \
  -DCMAKE_DISABLE_FIND_PACKAGE_CLI11=ON

# Every example by CMake, none of 80 lines or more.
quietly cmake -S apps/examples -B "$work/built" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH="$prefix"
quietly cmake --build "$work/built"
wc -l apps/examples/*.{c,cpp,py} | awk '$1 >= 80 && $2 != "total" { print; bad = 1 } END { exit bad }' ||
  fail "an example has 80 lines or more"
run() {
  echo "--- $*"
  "$@"
}
run "$work/built/new_op"
run "$work/built/train"
run "$work/built/objects" "$weights"
run "$work/built/threads" "$weights" 8
ffmpeg -v error -f lavfi -i "color=0x405060:s=320x180:d=0.4,format=rgb24" \
  -vf "drawbox=x=100:y=50:w=60:h=80:color=0xD05030:t=fill" -y "$work/walk.mp4"
raw() { ffmpeg -v error -i "$work/walk.mp4" -f rawvideo -pix_fmt "$1" -; }
raw nv12 | "$work/built/segment" "$weights" 320 180 100,50,60,80 >"$work/shared"
[[ $(wc -l <"$work/shared") -eq 10 ]] || fail "segment does not tell of 10 frames"
raw nv12 | "$work/built/segment_static" "$weights" 320 180 100,50,60,80 | diff "$work/shared" -
raw rgb24 | "$work/built/stream" "$weights" 320 180 100,50,60,80 >"$work/drawn"
"$prefix/bin/munet" frame "$work/walk.mp4" --at 0s -o "$work/f.png"
"$prefix/bin/munet" mask "$work/f.png" --box 100,50,60,80 -o "$work/first.png"
[[ $(run "$work/built/film" "$weights" "$work/walk.mp4" "$work/first.png" "$work/film.mp4" | tail -1) == \
  "10 frames, 1 objects" ]] || fail "film does not find the object"
[[ $(stat -c %s "$work/drawn") -eq $((10 * 320 * 180 * 3)) ]] || fail "stream drew $(stat -c %s "$work/drawn") bytes"

# 20 frames in one process and 10 in the next are 30 in one.
gcc -std=c99 -Wall -Wextra -Wpedantic -Werror -O1 tests/state.c -o "$work/state" -I"$prefix/include" -L"$prefix/lib" -lmunet
"$work/state" "$weights" 0 30 - - >"$work/whole"
"$work/state" "$weights" 0 20 - "$work/saved" >"$work/parts"
"$work/state" "$weights" 20 30 "$work/saved" - >>"$work/parts"
[[ $(sort -u -k2 "$work/whole" | wc -l) -eq 30 ]] || fail "the frames of the state test are alike"
diff "$work/whole" "$work/parts" || fail "a loaded state does not go on as the uninterrupted run"

# The page's blocks, as if the packages were installed.
mkdir "$work/page"
cp apps/examples/*.{c,cpp,py} "$work/walk.mp4" "$work/page"
awk '/^<!-- run -->$/ { marked = 1; next } /^```sh$/ && marked { on = 1; next }
     /^```$/ { on = marked = 0 } on' apps/examples/README.md |
  sed "s#/usr/share#\$prefix/share#" >"$work/blocks.sh"
[[ -s $work/blocks.sh ]] || fail "no block of the page is marked as runnable"
awk '/^```text$/ { on = 1; next } /^```$/ { on = 0 } on' apps/examples/README.md >"$work/expected"
ln -s "$prefix" "$work/prefix"
(cd "$work/page" && prefix=$work/prefix PKG_CONFIG_PATH=$work/prefix/lib/pkgconfig CPATH=$work/prefix/include LIBRARY_PATH=$work/prefix/lib \
  bash -euo pipefail "$work/blocks.sh") | tee "$work/output"
grep -qxF -f "$work/expected" "$work/output" || fail "the page shows another output"
[[ -s $work/page/out.mp4 ]] || fail "the page's film is missing"
for link in $(grep -o '](\([^)#]*\))' apps/examples/README.md | sed 's/](\(.*\))/\1/' | grep -v '^http'); do
  [[ -e apps/examples/$link ]] || fail "the page links to $link"
done

# From Python, where there is NumPy.
python=
for candidate in python3 /usr/bin/python3; do
  "$candidate" -c 'import numpy' 2>/dev/null && python=$candidate && break
done
if [[ -z $python ]]; then
  echo "SKIPPED: apps/examples/segment.py: no python3 with numpy"
  exit 77
fi
run "$python" apps/examples/segment.py "$weights"
