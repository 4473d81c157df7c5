# Shared by the scripts of this folder: sourced, not run.

# One clear line, then the end.
die() {
  printf 'narthex: %s\n' "$*" >&2
  exit 1
}

say() { printf '\033[1m%s\033[0m\n' "$*"; }
[ -t 1 ] || say() { printf '%s\n' "$*"; }

# Runs a command as root: as it is, or through sudo.
as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    die "installing packages needs root: run this as root, or install sudo"
  fi
}

# Dies when the disk below the current folder has less than $1 MiB left.
need_disk() {
  local free
  free=$(df -Pm . | awk 'NR == 2 {print $4}')
  [ "$free" -ge "$1" ] ||
    die "only $free MiB of disk are free in $(pwd) and $1 MiB are needed: free some space and run this again"
}
