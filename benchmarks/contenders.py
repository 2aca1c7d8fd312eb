"""Stock Magenta and this project, each as the command that trains it."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import sys
import time
from collections.abc import Sequence

from benchmarks import command, step_log

MAGENTA = "Magenta"
PRECISIONS = ("fp32", "bf16")
CONFIGS = ("hier-drums_4bar_small", "hier-drums_4bar", "groovae_4bar", "groovae_4bar_humanize", "groovae_4bar_tap")


@dataclasses.dataclass(frozen=True)
class Task:
    """What all of them train.

    Attributes:
        config: One of `CONFIGS`, which both can build.
        examples: TFRecords of NoteSequences, a glob.
        batch_size: Examples a batch.
        hparams: What else is changed in the config, as name=value,….
    """

    config: str
    examples: str
    batch_size: int
    hparams: str = ""

    def flags(self) -> tuple[str, ...]:
        hparams = ",".join(filter(None, [f"batch_size={self.batch_size}", self.hparams]))
        return f"--config={self.config}", f"--examples_path={self.examples}", f"--hparams={hparams}"


@dataclasses.dataclass(frozen=True)
class Contender:
    """A way to train.

    Attributes:
        name: In tables.
        module: What is run.
        flags: Those that the others do not have.
        fused_flags: Those that make a graph as on a GPU; empty where it is the same one.
    """

    name: str
    module: str
    flags: tuple[str, ...] = ()
    fused_flags: tuple[str, ...] = ()

    def train(
        self, task: Task, folder: str | os.PathLike[str], num_steps: int, *more_flags: str
    ) -> tuple[command.Outcome, step_log.StepLog]:
        """Trains in a process of its own, from nothing.

        Args:
            task: What.
            folder: An empty one, for the run (`run/`), its steps (`steps.jsonl`) and all that it says (`output.txt`).
            num_steps: The last step.
            more_flags: For this time.

        Raises:
            ValueError: it failed.
        """
        folder = pathlib.Path(folder)
        given = [*task.flags(), f"--run_dir={folder / 'run'}", f"--num_steps={num_steps}", *self.flags, *more_flags]
        given += [f"--step_log={folder / 'steps.jsonl'}", f"--started_secs={time.monotonic()}"]
        outcome = command.run(self.name, [sys.executable, "-m", self.module, *given], folder / "output.txt")
        return outcome, step_log.read(folder / "steps.jsonl")


def magenta(all_windows: bool = False) -> Contender:
    """Returns stock Magenta, with `all_windows` as `magenta_train` has it."""
    return Contender(MAGENTA, "benchmarks.magenta_train", ("--all_windows",) if all_windows else ())


def ours(precision: str) -> Contender:
    """Returns this project in one of `PRECISIONS`."""
    return Contender(precision, "benchmarks.our_train", (f"--precision={precision}",), ("--fused",))


def check_config(name: str) -> None:
    """Raises ValueError if `name` is no config that both can build."""
    if name not in CONFIGS:
        raise ValueError(f"--config={name}: not one that is measured beside Magenta's; accepted: {', '.join(CONFIGS)}")


def check_precisions(names: Sequence[str]) -> None:
    """Raises ValueError if one of `names` is no precision."""
    for name in names:
        if name not in PRECISIONS:
            raise ValueError(f"--precisions={','.join(names)}: {name!r} is none; accepted: {', '.join(PRECISIONS)}")
