#!/usr/bin/env bash
# Makes requirements.txt, requirements-cuda.txt and requirements-beam.txt anew from the .in files. Needs uv.
#
#   setup/lock.sh                                # the same pins, unless the .in files ask for others
#   setup/lock.sh --upgrade                      # the newest versions that fit together
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Prints the lock of $1.in; what is in $1.txt already stays as it is, unless --upgrade is among the flags.
lock() {
  local name="$1"
  shift
  [[ -f "$name.txt" ]] && cp "$name.txt" "$scratch/lock.txt"
  uv pip compile "$name.in" --output-file "$scratch/lock.txt" --universal --python-version 3.10 --quiet \
    --no-header --no-emit-index-url --no-emit-find-links --annotation-style=line "$@" >/dev/null
  cat "$scratch/lock.txt"
  rm "$scratch/lock.txt"
}

scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT

cat >"$scratch/header.txt" <<'HEADER'
# The complete lock for Python 3.10, 3.11, 3.12 and 3.13, made from requirements.in by setup/lock.sh:
#
#   uv pip compile requirements.in --universal --python-version 3.10
#
# By hand it needs --no-deps, or pip would read Magenta's pins of 2022 and find no answer:
#
#   python -m pip install --no-deps -r requirements.txt
#
HEADER
{ cat "$scratch/header.txt"; lock requirements "$@"; } >"$scratch/requirements.txt"
mv "$scratch/requirements.txt" requirements.txt

cat >"$scratch/header.txt" <<'HEADER'
# NVIDIA's libraries for TensorFlow 2.21, in addition to requirements.txt (Linux on x86_64 only), made by setup/lock.sh:
#
#   uv pip compile requirements-cuda.in --constraint requirements.txt --universal --python-version 3.10
#
#   python -m pip install --no-deps -r requirements.txt -r requirements-cuda.txt
#
HEADER
{ cat "$scratch/header.txt"; lock requirements-cuda --constraint requirements.txt "$@" | grep '^nvidia-'; } \
  >"$scratch/requirements-cuda.txt"
mv "$scratch/requirements-cuda.txt" requirements-cuda.txt

cat >"$scratch/header.txt" <<'HEADER'
# Apache Beam, in addition to requirements.txt, for python -m pipelines.convert --runner; made by setup/lock.sh:
#
#   uv pip compile requirements-beam.in --constraint requirements.txt --universal --python-version 3.10
#
# with four packages newer than its metadata allows, as they are there. What Beam does here is tested with them.
#
#   python -m pip install --no-deps -r requirements.txt -r requirements-beam.txt
#
HEADER
# Of these, Beam's metadata refuses what is newer than itself; requirements.txt stays as it is.
grep -E '^(numpy|pillow|pyarrow|python-dateutil)==' requirements.txt >"$scratch/overrides.txt"
# What requirements.txt has as well is left out, unless it has it for some Pythons only.
{ cat "$scratch/header.txt"; lock requirements-beam --constraint requirements.txt --override "$scratch/overrides.txt" "$@" \
  | awk 'NR == FNR { if ($2 == ";") some[$1]; else all[$1]; next } !($1 in all || $1 in some && $2 == ";")' requirements.txt -; } \
  >"$scratch/requirements-beam.txt"
mv "$scratch/requirements-beam.txt" requirements-beam.txt
