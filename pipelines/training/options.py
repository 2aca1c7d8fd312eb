"""The options of a training run, apart from its config. Without TensorFlow, as flags are made of it."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping

from pipelines.runs.run_folder import RunFolder
from pipelines.training.cluster.addresses import Cluster
from pipelines.training.placement import AUTO
from pipelines.training.replicas import ALONE, Replica


@dataclasses.dataclass(frozen=True)
class Run:
    """What training and evaluation need: where the run lies, which config it has, which data it sees."""

    folder: RunFolder
    checkpoint_dir: pathlib.Path  # Where the checkpoint to evaluate lies: the run's `train/` or `best/`.
    name: str
    config: object
    examples_path: str | None
    where: str  # The data, as a person reads it.
    cache_dir: str | None  # Where their tensors are kept; None is beside them.
    tfds_data_dir: str | None  # Where TFDS keeps its datasets; None is TFDS's own default.


@dataclasses.dataclass(frozen=True)
class Saving:
    """How often checkpoints are written, and how many stay."""

    every_secs: float = 60
    max_to_keep: int = 100  # The newest so many; 0 is all.
    keep_every_n_hours: float = 1  # Also keeps one every so often.


@dataclasses.dataclass(frozen=True)
class Validating:
    """When and how checkpoints are validated."""

    every_steps: int = 0  # 0 is never.
    examples_path: str | None = None  # TFRecords; None takes those named validation beside the training's.
    num_batches: int | None = None  # Of each validation; None is all examples.
    best_metric: str = "loss"  # Of `registry.BEST_NAMES`, what a checkpoint is the best by.
    patience: int = 0  # So many validations in a row without a better one end the training; 0 is never.


@dataclasses.dataclass(frozen=True)
class Devices:
    """Which devices of the machine compute a step."""

    num_gpus: int | None = None  # At most so many GPUs; None is all.
    num_cpu_devices: int = 1  # Without a GPU, so many devices that share the CPU, as GPUs would share the batch.
    all_reduce: str = AUTO  # How they add up gradients, of `placement.ALGORITHMS`.


ALL_DEVICES = Devices()


@dataclasses.dataclass(frozen=True)
class Machines:
    """The cluster that a run is trained on."""

    cluster: Cluster | None = None  # None is this process alone.
    wait_secs: float = 60  # So long other processes may take to start.
    listen: str | None = None  # The address to listen on; None is the cluster's.
    asked: Mapping[str, str | None] = dataclasses.field(default_factory=dict)  # Flags that all have to agree on.


@dataclasses.dataclass(frozen=True)
class Training:
    """How a run is trained, or gone on with."""

    num_steps: int | None = None  # The last step, counted from the beginning of the run; None is endless.
    seed: int | None = None  # Of everything that is drawn; None keeps the run's, or draws one.
    saving: Saving = Saving()
    validating: Validating = Validating()
    replica: Replica = ALONE
    devices: Devices = ALL_DEVICES
    machines: Machines = Machines()
    resumed: bool = True  # Whether to go on where the run has been trained before; else its folder is to be empty.
    precision: str = "auto"  # Of `models.precision`.
    layers: str = "auto"  # How they are computed, of `models.precision`.
    allow_other_data: bool = False  # Whether the run may go on with other examples than it began with.
    command: str = ""  # What the user typed, for config.json.
