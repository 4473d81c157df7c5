#!/usr/bin/env bash
# Puts Debian's prometheus, promtool and victoria-metrics into build/peers, for the interchange tests
# and the benchmarks. Unpacked, not installed: the packages would start services on our ports.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

peers=build/peers
mkdir -p "$peers"
fetch() { # package, programs…
  local package=$1 program done=yes
  shift
  for program in "$@"; do [ -x "$peers/$program" ] || done=no; done
  [ $done = no ] || return 0
  # What the machine has already will do.
  done=yes
  for program in "$@"; do [ -x "/usr/bin/$program" ] || done=no; done
  if [ $done = yes ]; then
    for program in "$@"; do ln -sf "/usr/bin/$program" "$peers/$program"; done
    return 0
  fi
  say "Fetching $package"
  local scratch
  scratch=$(mktemp -d)
  (cd "$scratch" && apt-get -q download "$package") ||
    (as_root apt-get -q update && cd "$scratch" && apt-get -q download "$package") ||
    die "cannot download Debian's package $package: is there a network?"
  dpkg -x "$scratch"/*.deb "$scratch/root"
  for program in "$@"; do cp "$scratch/root/usr/bin/$program" "$peers/$program"; done
  rm -rf "$scratch"
}
fetch prometheus prometheus promtool
fetch victoria-metrics victoria-metrics
