#!/usr/bin/env bash
# Installs what is missing of Debian's packages. Usage: install-deps.sh build|test
#   build: compiler, build tools and libraries of the product
#   test:  the same, and what the tests need
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

build_packages=(
  g++ cmake ninja-build ccache mold pkg-config git ca-certificates
  libboost1.81-dev libssl-dev libcurl4-openssl-dev libnghttp2-dev libc-ares-dev
  libfmt-dev libyaml-cpp-dev libre2-dev libsimdjson-dev libprotozero-dev
  libsnappy-dev libzstd-dev liblz4-dev zlib1g-dev libdeflate-dev libxxhash-dev libmimalloc-dev
)
test_packages=(
  libgtest-dev libgmock-dev libbenchmark-dev libprotobuf-dev protobuf-compiler
  clang-19 clang-format-19 libclang-rt-19-dev python3 curl procps
)

packages=("${build_packages[@]}")
case "${1:-}" in
  build) ;;
  test)
    packages+=("${test_packages[@]}")
    # A Node.js from elsewhere brings its own npm, which Debian's would fight.
    command -v node >/dev/null || packages+=(nodejs)
    command -v npm >/dev/null || packages+=(npm)
    ;;
  *) die "usage: scripts/install-deps.sh build|test" ;;
esac

command -v dpkg-query >/dev/null && command -v apt-get >/dev/null ||
  die "this script installs Debian's packages and finds no apt-get: on another system install by hand: ${packages[*]}"

missing=()
for package in "${packages[@]}"; do
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

say "Installing ${#missing[@]} packages: ${missing[*]}"
need_disk 2500
export DEBIAN_FRONTEND=noninteractive
as_root apt-get -q update ||
  die "apt-get update failed: is there a network, and does /etc/apt/sources.list name a Debian mirror?"
as_root env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends "${missing[@]}" ||
  die "installing packages failed: see apt-get's message above; without a network, install by hand: ${missing[*]}"
