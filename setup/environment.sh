# Sourced by the scripts: leaves a ready interpreter in $python and the project's folder in $project.
# What is missing is set up first, by setup/install.py.
#
#   PYTHON=python3.12   makes .venv with this interpreter
#   VENV=none           uses the active environment instead of .venv, and adds only what it lacks
#
# A script that needs requirements-NAME.txt as well says extra_lock=NAME before it sources this.

project="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)"

fail() {
  printf 'error: %s\n' "$1" >&2
  exit 1
}

# Whether $1 runs and is a 64-bit Python for which there is a TensorFlow.
fits() {
  "$1" -c 'import sys; sys.exit(not ((3, 10) <= sys.version_info[:2] <= (3, 13) and sys.maxsize > 2**32))' \
    >/dev/null 2>&1
}

# Prints the interpreter to use: $PYTHON, or the first of the given commands that fits. One that can make
# environments is preferred; Debian's cannot before python3-venv is installed.
find_python() {
  local candidate version incomplete=""
  if [[ -n "${PYTHON:-}" ]]; then
    command -v "$PYTHON" >/dev/null || fail "PYTHON=$PYTHON: there is no such command"
    version="$("$PYTHON" --version 2>&1)" || version=""
    fits "$PYTHON" || fail "PYTHON=$PYTHON is ${version:-no Python that runs}; needed: Python 3.10, 3.11, 3.12 or 3.13"
    command -v "$PYTHON"
    return
  fi
  for candidate in "$@"; do
    fits "$candidate" || continue
    if "$candidate" -c 'import ensurepip' >/dev/null 2>&1; then
      command -v "$candidate"
      return
    fi
    incomplete="${incomplete:-$candidate}"
  done
  [[ -n "$incomplete" ]] || fail "no Python 3.10, 3.11, 3.12 or 3.13 among the commands $*; install one, or name it: PYTHON=/path/to/python3"
  command -v "$incomplete"
}

# Whether the environment $1 was finished for the state $2, or for that and an extra lock. It is checked at each start,
# so it runs no Python.
is_complete() {
  local found
  [[ -f "$1/.drums-complete" ]] || return
  found="$(<"$1/.drums-complete")"
  [[ "$found" == "$2" || "$found" == "$2 with "* ]]
}

set_up() {
  local state driver=no base prefix extra="${extra_lock:-}"
  [[ -e /proc/driver/nvidia/version ]] || command -v nvidia-smi >/dev/null && driver=yes
  # The checksums are printed with their paths, so that a moved copy is noticed too.
  state="$(cksum "$project"/requirements*.txt "$project"/setup/*.py) driver=$driver${extra:+ with $extra}"
  case "${VENV:-}" in
    "")
      python="$project/.venv/bin/python"
      [[ -z "${PYTHON:-}" && -x "$python" ]] && is_complete "$project/.venv" "$state" && return
      base="$(find_python python3.11 python3.12 python3.13 python3.10 python3 python)" || exit 1
      PYTHONSAFEPATH="" "$base" "$project/setup/install.py" --state="$state" --venv="$project/.venv" \
        ${PYTHON:+--this_python} ${extra:+--extra="$extra"}
      ;;
    none)
      python="$(find_python python python3)" || exit 1
      prefix="$("$python" -c 'import sys; print(sys.prefix)')"
      is_complete "$prefix" "$state" \
        || PYTHONSAFEPATH="" "$python" "$project/setup/install.py" --state="$state" ${extra:+--extra="$extra"}
      ;;
    *) fail "VENV=$VENV: the only choice is VENV=none, the active environment; without it the scripts make .venv" ;;
  esac
}

set_up
export PYTHONPATH="$project${PYTHONPATH:+:$PYTHONPATH}"
export PYTHONSAFEPATH=1 # The folder the script is called from may have modules of the same names.
