"""This project's training, as `python -m pipelines.train` runs it, with its steps written down.

    python -m benchmarks.our_train --config=hier-drums_4bar_small --run_dir=/tmp/ours \\
        --examples_path=data/tfrecord/groove-v1.0.0-midionly/train.tfrecord --num_steps=8 --step_log=/tmp/ours.jsonl

The flags are those of `pipelines.train` and of `step_hook`; `--fused` computes the layers as on a GPU.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator

from absl import flags

from models import precision, recurrence
from pipelines import cli, train


def compute_as_on_a_gpu() -> None:
    """Has models that are built from now on compute their layers as `models.precision` chooses for a GPU."""
    _compute(fused=True)


@contextlib.contextmanager
def computing_as_on(device: str) -> Iterator[None]:
    """Has models that are built within compute their layers as on a "gpu" or a "cpu", wherever this runs."""
    here = precision.computation
    _compute(fused=device == "gpu")
    try:
        yield
    finally:
        precision.computation = here


def _compute(*, fused: bool) -> None:
    here = precision.computation

    def computation(name: str) -> recurrence.Computation:
        return dataclasses.replace(here(name), fused=fused and name == "fp32")

    precision.computation = computation


def main() -> int | None:
    from benchmarks import step_hook

    step_hook.install()
    if flags.FLAGS.fused:
        compute_as_on_a_gpu()
    return train.main()


def define_flags() -> None:
    # Not at the top: it imports TensorFlow, which by then `models` has imported as ours is, two seconds sooner.
    from benchmarks import step_hook

    train.define_flags()
    step_hook.define_flags()
    flags.DEFINE_bool("fused", False, "Compute the layers as on a GPU, wherever this runs.")


if __name__ == "__main__":
    cli.run(main, define_flags)
