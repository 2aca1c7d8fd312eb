"""The processes that train one run together: what each of them reads, draws, writes and says. Without TensorFlow.

The chief alone writes in the run's folder: the lock, config.json, checkpoints, logs, `best/`. It alone validates, and
checks `--noresume`: the others may find what it has just written. Workers that train in step share the examples out;
those that do not know each other's number read all of them, each in an order of its own. Every worker's seeds follow
from the chief's: one that is started without `--seed` reads it in config.json, so that nobody has to choose one.
"""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import time

from pipelines.runs import run_lock
from pipelines.runs.run_folder import RunFolder
from pipelines.training import interrupts

CHIEF_WITHIN_SECS = 1800  # So long TensorFlow waits for the chief's variables, too.
_LOOK_EVERY_SECS = 0.5


@dataclasses.dataclass(frozen=True)
class Replica:
    """One of the processes that train a run together; the defaults are one process by itself."""

    master: str = ""  # The address of its TensorFlow server.
    task: int = 0  # Its number among the workers; 0 is the chief.
    num_ps_tasks: int = 0  # Parameter servers.
    num_sync_workers: int = 0  # Workers whose gradients are averaged; 0 for none.

    def __post_init__(self) -> None:
        if self.num_sync_workers and self.task >= self.num_sync_workers:
            raise ValueError(
                f"--task={self.task}: with --num_sync_workers={self.num_sync_workers} the workers are 0 to"
                f" {self.num_sync_workers - 1}"
            )

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the run's folder and validates."""
        return self.task == 0

    @property
    def num_in_step(self) -> int:
        """How many workers make a batch together."""
        return max(1, self.num_sync_workers)

    @property
    def share(self) -> tuple[int, int]:
        """Which part of the examples it reads, of how many."""
        return (self.task, self.num_sync_workers) if self.num_sync_workers else (0, 1)

    def order_seed(self, seed: int) -> int:
        """Returns the seed of the examples' order: one for workers that share them, else one for each."""
        return seed if self.num_sync_workers else seed + self.task

    def noise_seed(self, seed: int) -> int:
        """Returns the seed of what is drawn in a step, which each worker draws for itself."""
        return seed + self.task

    def folder_held(self, folder: RunFolder) -> contextlib.AbstractContextManager:
        """Keeps other runs out of the folder while the chief trains there."""
        return run_lock.held(folder.path) if self.is_chief else contextlib.nullcontext()

    def make_ready(self, folder: RunFolder, *, resumed: bool, has_seed: bool, stop: interrupts.Stop) -> None:
        """Sees to it that the folder can be trained in: the chief checks and sweeps it, the others wait for the chief.

        Args:
            folder: The run's.
            resumed: Whether the run may be one that has been trained before.
            has_seed: Whether a seed was given; else it is in config.json, which the chief writes.
            stop: Ends the waiting.

        Raises:
            ValueError: there is something in the folder of a run that is not `resumed`.
            TimeoutError: the chief has written nothing after half an hour.
        """
        if self.is_chief:
            if not resumed:
                _check_new(folder.path)
            folder.sweep()
        elif not has_seed and not folder.settings():
            _wait_for_settings(folder, stop)

    def write_settings(self, folder: RunFolder, settings: dict) -> None:
        """Writes config.json, which the chief does for all."""
        if self.is_chief:
            folder.write_settings(settings)


ALONE = Replica()


def _check_new(run_dir: pathlib.Path) -> None:
    """Checks that there is nothing in a folder that a run could be continued from, or that one could overwrite.

    Raises:
        ValueError: there is.
    """
    names = sorted(path.name for path in run_dir.iterdir()) if run_dir.is_dir() else []
    found = [name for name in names if name != run_lock.LOCK_NAME]
    if found:
        raise ValueError(
            f"--noresume: {run_dir} is not empty ({', '.join(found[:3])}{', …' if len(found) > 3 else ''});"
            " give another --run_dir, or --resume to go on with what is there"
        )


def _wait_for_settings(folder: RunFolder, stop: interrupts.Stop) -> None:
    told = f"waiting for the chief to write {folder.path}/config.json; --seed=N on every worker goes without"
    print(told, flush=True)
    give_up = time.monotonic() + CHIEF_WITHIN_SECS
    while not folder.settings() and not stop.is_asked_for():
        if time.monotonic() > give_up:
            raise TimeoutError(
                f"{folder.path}: no config.json after {CHIEF_WITHIN_SECS // 60} minutes; start the worker with"
                " --task=0 on the same --run_dir, or give every worker the same --seed"
            )
        time.sleep(_LOOK_EVERY_SECS)
