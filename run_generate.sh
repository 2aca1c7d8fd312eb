#!/usr/bin/env bash
# Checkpoint → MIDI → WAV, pictures and a page to look at and listen to. ./run_generate.sh --help lists the flags.
#
#   ./run_generate.sh                            # the newest run, or else a trained model of the clone
#   ./run_generate.sh --pretrained=groovae
#   ./run_generate.sh --run_dir=runs/small --num_outputs=10 --temperature=0.5
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup/environment.sh"
exec "$python" -m pipelines.workflow generate "$@"
