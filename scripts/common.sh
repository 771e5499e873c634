# Sourced by the scripts beside it: places, messages and parallelism.

REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
VENV=$(realpath -ms "${REGIMEN_VENV:-$REPO/.venv}")
BUILD=$(realpath -ms "${REGIMEN_BUILD:-$REPO/build}")
JOBS=${REGIMEN_JOBS:-$(nproc)}
# Paths below the checkout do not count, so that every clone on a machine shares what any of them compiled.
export CCACHE_BASEDIR=$REPO CCACHE_NOHASHDIR=1
LLVM_PREFIX=${REGIMEN_LLVM:-/usr/lib/llvm-22}

say() { printf '\033[1m== %s\033[0m\n' "$*"; }
fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# Runs a command as root, directly or through sudo; fails without either.
as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    return 127
  fi
}
