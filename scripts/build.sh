#!/usr/bin/env bash
# Configures and builds a preset. Usage: build.sh PRESET [-DOPTION=… …] TARGET…
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

preset=$1
shift
options=()
while [ $# -gt 0 ] && [[ $1 == -D* ]]; do
  options+=("$1")
  shift
done
dir=build/$preset
need_disk 1500
if [ ! -f "$dir/build.ninja" ] || [ ${#options[@]} -gt 0 ]; then
  log=$(mktemp)
  cmake --preset "$preset" "${options[@]}" >"$log" 2>&1 || {
    cat "$log" >&2
    die "configuring the $preset build failed, see above"
  }
  rm -f "$log"
fi
ninja -C "$dir" "$@" || die "building failed, see above"
