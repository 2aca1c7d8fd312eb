"""A run's training from its folder to its end: what it goes on with, what it says, what it records."""

from __future__ import annotations

import copy
import dataclasses
import pathlib
import time

import configs
from models import checkpoint_files, checkpoints, magenta, vae
from models import precision as precisions
from pipelines.examples import batches, loading, note_sequences
from pipelines.runs import metrics_log
from pipelines.runs.run_folder import RunFolder
from pipelines.training import interrupts, loop, options, resume
from pipelines.training.validation import Validation

MAGENTAS_PRECISION = "fp32"


@dataclasses.dataclass(frozen=True)
class Beginning:
    """What a run goes on with.

    Attributes:
        checkpoint: The prefix of the newest one; None at first.
        record: What was written about the run until now.
        seed: Of everything that is drawn.
        precision: `fp32` or `bf16`.
    """

    checkpoint: str | None
    record: dict
    seed: int
    precision: str

    @property
    def step(self) -> int:
        return checkpoint_files.step_of(self.checkpoint) if self.checkpoint else 0


def train(run: options.Run, chosen: options.Training, stop: interrupts.Stop) -> int:
    """Trains a run in a folder that no other process trains in; as `train.run_training`."""
    if not chosen.resumed:
        resume.check_new(run.run_dir)
    beginning = _begin(run, chosen)
    if chosen.num_steps and beginning.step >= chosen.num_steps:
        print(f"{run.run_dir}: already at step {beginning.step}; a larger --num_steps trains on")
        return 0
    validation = _validation(run, chosen, stop)
    make_batches, num_examples = _batches(run, chosen.cluster, beginning)
    data = {"fingerprint": _performances(run).fingerprint(), "num_examples": num_examples}
    changes = _changes(run, chosen, beginning, data)
    _announce(run, chosen, beginning, num_examples, changes)

    config = _prepared(run, chosen.cluster, beginning)

    def when_checked() -> None:
        _announce_fallbacks(config)
        _record(run, chosen, beginning, data, changes)

    started = time.monotonic()
    step = loop.train(
        config,
        make_batches,
        run.run_dir,
        chosen.num_steps,
        stop,
        seed=beginning.seed,
        checkpoint=beginning.checkpoint,
        cluster=chosen.cluster,
        chosen=chosen.saving,
        validation=validation,
        when_checked=when_checked,
    )
    return _conclude(run, step, (time.monotonic() - started) / 60, validation, stop)


def _begin(run: options.Run, chosen: options.Training) -> Beginning:
    folder = RunFolder(run.run_dir)
    if chosen.cluster.is_chief:
        folder.sweep()
    checkpoint = checkpoints.newest(folder.train_dir)
    record = folder.settings()
    return Beginning(
        checkpoint=checkpoint,
        record=record,
        seed=resume.seed(record, chosen.seed, checkpoint is not None),
        precision=_precision(run, chosen.precision, record.get("precision") if checkpoint else None),
    )


def _precision(run: options.Run, asked: str, before: str | None) -> str:
    """Returns what to compute in: as the run did, unless another one is asked for or this machine lacks it."""
    if not isinstance(run.config.model, vae.MusicVAE):
        if asked not in ("auto", MAGENTAS_PRECISION):
            raise ValueError(f"--precision={asked}: {run.name} computes with Magenta's own layers, in fp32 alone")
        return MAGENTAS_PRECISION
    if asked == "auto" and before:
        try:
            return precisions.resolve(before)
        except ValueError:  # It began on another machine.
            pass
    return precisions.resolve(asked)


def _validation(run: options.Run, chosen: options.Training, stop: interrupts.Stop) -> Validation | None:
    """Returns what validates the run; its data is loaded now, so that what is wrong with it is known now."""
    asked = chosen.validating
    if not asked.every_steps or not chosen.cluster.is_chief:
        return None
    path = asked.examples_path
    if not path and run.examples_path:
        path = str(pathlib.Path(run.examples_path).parent / "validation.tfrecord*")
        try:
            note_sequences.find_records(path)
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f"--eval_every_steps={asked.every_steps}: nothing to validate on, there is no {path};"
                " name it with --eval_examples_path=GLOB"
            ) from error
    config = copy.deepcopy(run.config)
    split = loading.load(config, "validation", path, run.cache_dir, run.tfds_data_dir)
    return Validation(asked, config, split, run.run_dir, lambda: stop.number is not None)


def _prepared(run: options.Run, cluster: options.Cluster, beginning: Beginning):
    """Returns the config to train, with this worker's share of the batch, its precision and its seed."""
    config = copy.deepcopy(run.config)
    config.hparams.batch_size //= max(1, cluster.num_sync_workers)  # Together the workers make the batch.
    if isinstance(config.model, vae.MusicVAE):
        config.model.precision, config.model.seed = beginning.precision, beginning.seed + cluster.task
    return config


def _batches(run: options.Run, cluster: options.Cluster, beginning: Beginning):
    return batches.training_batches(
        _prepared(run, cluster, beginning),
        run.examples_path,
        beginning.seed + cluster.task,  # Each worker sees the data in an order of its own.
        run.cache_dir,
        run.tfds_data_dir,
        first_step=beginning.step,
    )


def _performances(run: options.Run) -> note_sequences.Performances:
    return note_sequences.find(run.config, "train", run.examples_path, run.tfds_data_dir)


def _changes(run: options.Run, chosen: options.Training, beginning: Beginning, data: dict) -> dict[str, list]:
    """Returns what is no longer as it was when the run was trained last, by name: [before, now]."""
    if not beginning.checkpoint:
        return {}
    record = beginning.record
    changes = resume.changed_hparams(record, run.config)
    if record.get("precision") not in (None, beginning.precision):
        changes["precision"] = [record["precision"], beginning.precision]
    return changes | resume.check_data(record, data, run.where, chosen.allow_other_data)


def _announce(
    run: options.Run, chosen: options.Training, beginning: Beginning, num_examples: int, changes: dict[str, list]
) -> None:
    is_ours = isinstance(run.config.model, vae.MusicVAE)
    batch_size = run.config.hparams.batch_size // max(1, chosen.cluster.num_sync_workers)
    print(f"config    {run.name}")
    print(f"examples  {num_examples} from {run.where}, {batch_size} a batch")
    print("devices   " + "\n          ".join(magenta.describe_devices()))
    precision = precisions.describe(beginning.precision) if is_ours else f"{beginning.precision} (layers of Magenta)"
    print(f"precision {precision}")
    for change in resume.describe(changes):
        print(f"changed   {change}")
    print(f"run       {run.run_dir}, {f'going on from step {beginning.step}' if beginning.step else 'new'}", flush=True)


def _announce_fallbacks(config: configs.Config) -> None:
    """Says what a model of ours, built by now, leaves to Magenta's own layers, which are slower."""
    if isinstance(config.model, vae.MusicVAE) and config.model.fallback_reasons:
        print(f"layers    Magenta's own, in fp32, for {', '.join(config.model.fallback_reasons)}", flush=True)


def _record(
    run: options.Run, chosen: options.Training, beginning: Beginning, data: dict, changes: dict[str, list]
) -> None:
    """Writes what the run is trained with from now on."""
    if not chosen.cluster.is_chief:
        return
    history = beginning.record.get("changes", []) if beginning.checkpoint else []
    if changes:
        history = [*history, {"step": beginning.step, **changes}]
    record = {
        "config": run.name,
        "hparams": run.config.hparams.values(),
        "examples": run.where,
        "data": data,
        "seed": beginning.seed,
        "precision": beginning.precision,
        "changes": history,
        "command": chosen.command,
    }
    RunFolder(run.run_dir).write_settings(record)


def _conclude(run: options.Run, step: int, minutes: float, validation: Validation | None, stop: interrupts.Stop) -> int:
    """Says how training ended; returns the exit status."""
    newest = checkpoints.newest(RunFolder(run.run_dir).train_dir)
    print(f"step {step} after {minutes:.1f} minutes; checkpoint {newest or 'none yet'}")
    rows = [row for row in metrics_log.read(run.run_dir) if row["split"] == metrics_log.VALIDATION]
    if validation and (top := validation.best(rows)):
        print(f"best: {validation.describe_best(top)}, in {run.run_dir / 'best'}")
    if stop.number is not None:
        print("stopped; the same command goes on from here")
    elif validation and validation.is_over(rows):
        print(validation.describe_end(rows))
    return stop.status
