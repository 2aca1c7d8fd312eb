#!/usr/bin/env bash
# Runs the tests, one to a core, four at most; flags go to pytest, paths are relative to this folder.
#
#   ./run_tests.sh                               # what trains for minutes, too
#   ./run_tests.sh -m "not slow"
#   ./run_tests.sh -m ""                         # and what is marked as thorough
#   ./run_tests.sh -n0 tests/test_house.py       # in one process
set -euo pipefail
extra_lock=tests
source "$(dirname "${BASH_SOURCE[0]}")/setup/environment.sh"
cd "$project"
exec "$python" -m pytest -n logical --maxprocesses=4 --dist worksteal "$@"
