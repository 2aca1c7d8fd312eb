#!/usr/bin/env bash
# Runs the tests; flags go to pytest, paths are relative to this folder.
#
#   ./run_tests.sh                               # all of them, what trains for minutes too
#   ./run_tests.sh -m "not slow"
set -euo pipefail
extra_lock=tests
source "$(dirname "${BASH_SOURCE[0]}")/setup/environment.sh"
cd "$project"
exec "$python" -m pytest "$@"
