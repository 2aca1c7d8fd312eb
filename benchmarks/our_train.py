"""This project's training, as `python -m pipelines.train` runs it, with its steps written down.

    python -m benchmarks.our_train --config=hier-drums_4bar_small --run_dir=/tmp/ours \\
        --examples_path=data/tfrecord/groove-v1.0.0-midionly/train.tfrecord --num_steps=8 --step_log=/tmp/ours.jsonl

The flags are those of `pipelines.train` and of `step_hook`.
"""

from __future__ import annotations

import importlib

from pipelines import cli, train


def main() -> int | None:
    from benchmarks import step_hook

    step_hook.install()
    return train.main()


def define_flags() -> None:
    importlib.import_module("models.magenta")  # Imports TensorFlow two seconds sooner than the next line would.
    from benchmarks import step_hook

    train.define_flags()
    step_hook.define_flags()


if __name__ == "__main__":
    cli.run(main, define_flags)
