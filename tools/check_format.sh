#!/usr/bin/env bash
# Fails when clang-format would change a file. Usage: check_format.sh REPOSITORY
set -euo pipefail
cd "$1"
mapfile -t files < <(find src apps fuzz tests examples bench -name '*.cc' -o -name '*.h' 2>/dev/null | sort)
[ ${#files[@]} -gt 0 ]
clang-format-19 --dry-run -Werror "${files[@]}"
echo "${#files[@]} files are formatted"
