"""The options of a training run, apart from its config. Without TensorFlow, as flags are made of it."""

from __future__ import annotations

import dataclasses
import pathlib

from pipelines.runs.run_folder import RunFolder
from pipelines.training.replicas import ALONE, Replica


@dataclasses.dataclass(frozen=True)
class Run:
    """What training and evaluation need: where the run lies, which config it has, which data it sees."""

    run_dir: pathlib.Path
    name: str
    config: object
    examples_path: str | None
    where: str  # The data, as a person reads it.
    cache_dir: str | None = None  # Where their tensors are kept; None is beside them.
    tfds_data_dir: str | None = None  # Where TFDS keeps its datasets; None is TFDS's own default.
    evaluates_best: bool = False  # The checkpoint in `best/`, not the newest one.

    @property
    def folder(self) -> RunFolder:
        return RunFolder(self.run_dir)

    @property
    def checkpoint_dir(self) -> pathlib.Path:
        """Where the checkpoint to evaluate lies."""
        return self.folder.best_dir if self.evaluates_best else self.folder.train_dir


@dataclasses.dataclass(frozen=True)
class Saving:
    """How often checkpoints are written, and how many stay.

    Attributes:
        every_secs: Time from one to the next.
        max_to_keep: The newest so many; 0 is all.
        keep_every_n_hours: Also keeps one every so often.
    """

    every_secs: float = 60
    max_to_keep: int = 100
    keep_every_n_hours: float = 1


@dataclasses.dataclass(frozen=True)
class Validating:
    """When and how checkpoints are validated.

    Attributes:
        every_steps: Steps from one validation to the next; 0 is none.
        examples_path: The data's TFRecords; None takes those named validation beside the training's.
        num_batches: Of each validation; None is all examples.
        best_metric: Of `registry.BEST_NAMES`, what a checkpoint is the best by.
        patience: So many validations in a row without a better one end the training; 0 is never.
    """

    every_steps: int = 0
    examples_path: str | None = None
    num_batches: int | None = None
    best_metric: str = "loss"
    patience: int = 0


@dataclasses.dataclass(frozen=True)
class Training:
    """How a run is trained, or gone on with.

    Attributes:
        num_steps: The last step, counted from the beginning of the run; None is endless.
        seed: Of everything that is drawn; None keeps the run's, or draws one.
        saving: When to write checkpoints.
        validating: When to validate them.
        replica: Which of the processes that train together this one is.
        resumed: Whether to go on where the run has been trained before; else its folder is to be empty.
        precision: Of `models.precision`.
        allow_other_data: Whether the run may go on with other examples than it began with.
        command: What the user typed, for config.json.
    """

    num_steps: int | None = None
    seed: int | None = None
    saving: Saving = Saving()
    validating: Validating = Validating()
    replica: Replica = ALONE
    resumed: bool = True
    precision: str = "auto"
    allow_other_data: bool = False
    command: str = ""
