#!/usr/bin/env bash
# Makes requirements.txt and those for CUDA, Beam, Dask and the tests anew from the .in files. Their heads stay.
# Needs uv, of the version that requirements.in pins or newer: that of .venv is taken if there is one.
#
#   setup/lock.sh                                # the same pins, unless the .in files ask for others
#   setup/lock.sh --upgrade                      # the newest versions that fit together
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PATH="$PWD/.venv/bin:$PATH"
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT

# Makes $1.txt from $1.in; the command $2 prints the lines of the lock $scratch/lock.txt that belong in it.
lock() {
  local name="$1" choose="$2"
  shift 2
  cp "$name.txt" "$scratch/lock.txt"
  uv pip compile "$name.in" --output-file "$scratch/lock.txt" --universal --python-version 3.10 --quiet \
    --no-header --no-emit-index-url --no-emit-find-links --annotation-style=line "$@" >/dev/null
  { grep '^#' "$name.txt"; "$choose"; } >"$scratch/new.txt"
  mv "$scratch/new.txt" "$name.txt"
}

all() { cat "$scratch/lock.txt"; }
nvidias() { grep '^nvidia-' "$scratch/lock.txt"; }
# What requirements.txt has as well is left out, unless it has it for some Pythons only.
added() {
  awk 'NR == FNR { if ($2 == ";") some[$1]; else all[$1]; next } !($1 in all || $1 in some && $2 == ";")' \
    requirements.txt "$scratch/lock.txt"
}

lock requirements all "$@"
lock requirements-cuda nvidias --constraint requirements.txt "$@"
# Of these, Beam's metadata refuses what is newer than itself; requirements.txt stays as it is.
grep -E '^(numpy|pillow|pyarrow|python-dateutil)==' requirements.txt >"$scratch/overrides.txt"
for name in beam dask tests; do
  lock "requirements-$name" added --constraint requirements.txt --override "$scratch/overrides.txt" "$@"
done
