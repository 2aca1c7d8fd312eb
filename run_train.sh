#!/usr/bin/env bash
# Data → TFRecords → training → evaluation. ./run_train.sh --help lists the flags.
#
#   ./run_train.sh --dataset=starter            # the quick run: drums of your own in minutes
#   ./run_train.sh --dataset=grooves.zip --config=groovae_4bar --run_dir=runs/small --num_steps=3000
#   ./run_train.sh --mode=eval --run_dir=runs/small
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup/environment.sh"
exec "$python" -m pipelines.workflow train "$@"
