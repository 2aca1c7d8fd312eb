"""Stock Magenta and this project, each as the command that trains it."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import sys
import time
from collections.abc import Mapping, Sequence

from benchmarks import command, step_log
from pipelines.files import atomic

MAGENTA = "Magenta"
TASK_NAME = "task.json"  # What was trained in a folder.
PRECISIONS = ("fp32", "bf16")
CONFIGS = ("hier-drums_4bar_small", "hier-drums_4bar", "groovae_4bar", "groovae_4bar_humanize", "groovae_4bar_tap")
GENERATING_CONFIGS = (  # Whose checkpoints stock Magenta generates from; those of the clone's trained models, too.
    *CONFIGS,
    *("hier-drums_4bar_groove", "hier-drums_4bar_groove_hikl", "groovae_4bar_groove"),
    *("groovae_4bar_humanize_groove", "groovae_4bar_tap_groove"),
)


@dataclasses.dataclass(frozen=True)
class Task:
    """What is trained: a config, with further `hparams`, on `examples`, a glob of TFRecords.

    A `batch_size` of 0 is the config's own.
    """

    config: str
    examples: str
    batch_size: int
    hparams: str = ""

    def flags(self) -> tuple[str, ...]:
        batch_size = f"batch_size={self.batch_size}" if self.batch_size else ""
        hparams = ",".join(filter(None, [batch_size, self.hparams]))
        return f"--config={self.config}", f"--examples_path={self.examples}", f"--hparams={hparams}"


@dataclasses.dataclass(frozen=True)
class Contender:
    """A way to train: its name in tables, the module that is run, and the flags that others do not have."""

    name: str
    module: str
    flags: tuple[str, ...] = ()

    def train(
        self, task: Task, folder: pathlib.Path, num_steps: int, *more_flags: str
    ) -> tuple[command.Outcome, step_log.StepLog]:
        """Trains from nothing, in a process of its own.

        The empty `folder` gets the run (`run/`), its steps (`steps.jsonl`) and all that it says (`output.txt`).
        Raises ValueError if it failed.
        """
        given = [*task.flags(), f"--run_dir={folder / 'run'}", f"--num_steps={num_steps}", *self.flags, *more_flags]
        given += [f"--step_log={folder / 'steps.jsonl'}", f"--started_secs={time.monotonic()}"]
        outcome = command.run(self.name, [sys.executable, "-m", self.module, *given], folder / "output.txt")
        return outcome, step_log.read(folder / "steps.jsonl")


def magenta(all_windows: bool = False) -> Contender:
    """Returns stock Magenta, with `all_windows` as `magenta_train` has it."""
    return Contender(MAGENTA, "benchmarks.magenta_train", ("--all_windows",) if all_windows else ())


def ours(precision: str, name: str | None = None, layers: str = "auto") -> Contender:
    """Returns this project in one of `PRECISIONS` or in "auto", its layers computed in a way of `--layers`.

    Without a name it is called after the precision and, where that is not "auto", after the way.
    """
    flags, names = [f"--precision={precision}"], [precision]
    if layers != "auto":
        flags.append(f"--layers={layers}")
        names.append(layers)
    return Contender(name or " ".join(names), "benchmarks.our_train", tuple(flags))


def has_task(folder: pathlib.Path, task: Mapping[str, object]) -> bool:
    """Whether a folder says that it holds the training of a task. A ValueError says that it holds another one's."""
    path = folder / TASK_NAME
    if not path.exists():
        return False
    there = json.loads(path.read_text(encoding="utf-8"))
    if there != task:
        raise ValueError(f"{folder}: trained with {there}, not with {task}; give another --output_dir")
    return True


def write_task(folder: pathlib.Path, task: Mapping[str, object]) -> None:
    """Says in a folder what is trained there; `task` is what JSON can say."""
    atomic.write_text(folder / TASK_NAME, json.dumps(task, indent=2) + "\n")


def check_config(name: str, accepted: Sequence[str] = CONFIGS) -> None:
    """Raises ValueError if `name` is none of the configs that both can build."""
    if name not in accepted:
        raise ValueError(f"--config={name}: not one that is measured beside Magenta's; accepted: {', '.join(accepted)}")


def check_precisions(names: Sequence[str]) -> None:
    """Raises ValueError if one of `names` is no precision."""
    for name in names:
        if name not in PRECISIONS:
            raise ValueError(f"--precisions={','.join(names)}: {name!r} is none; accepted: {', '.join(PRECISIONS)}")
