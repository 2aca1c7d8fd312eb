"""What a training run needs before its first step, checked and loaded; what is said and written of it."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable

import configs
from models import checkpoints, converters, magenta, vae
from models import precision as precisions
from models.magenta import tf
from pipelines.examples import batches, note_sequences
from pipelines.runs import best
from pipelines.training import interrupts, machine, options, resume
from pipelines.training.cluster.party import Party
from pipelines.training.placement import Placement
from pipelines.training.validation import Validation


@dataclasses.dataclass(frozen=True)
class Setup:
    """A run that is ready to be trained."""

    run: options.Run
    options: options.Training
    state: resume.ResumeState
    config: configs.Config  # The one to build: its model must not be used elsewhere; batches are this worker's share.
    make_batches: Callable[[], tf.data.Dataset]  # To be called inside of the graph.
    data: dict  # `fingerprint` and `num_examples` of what it is trained on.
    changes: dict[str, list]  # What is no longer as it was when the run was trained last, by name: [before, now].
    where: Placement  # The devices of a step.
    party: Party | None  # The cluster that has them; None is this machine alone.
    validation: Validation | None  # None where there is none, as with workers other than the chief.


def prepare(
    run: options.Run, training: options.Training, stop: interrupts.Stop, party: Party | None = None
) -> Setup | None:
    """Checks and loads what a run needs, and says what it will be; None where it is trained to its last step already.

    The folder is this process's alone, except for other workers of the same run.

    Raises:
        ValueError: the checkpoint, the seed or the data are another run's, or what was asked for cannot be.
        OSError: a file cannot be read.
    """
    replica = training.replica
    replica.make_ready(run.folder, resumed=training.resumed, has_seed=training.seed is not None, stop=stop)
    state = resume.read(run, training)
    if training.num_steps and state.step >= training.num_steps:
        print(f"{run.folder.path}: already at step {state.step}; a larger --num_steps trains on")
        return None
    validates = training.validating.every_steps and replica.is_chief
    validation = Validation(run, training.validating, state.step, stop) if validates else None
    config = _own_config(run, replica, state)
    make_batches, num_examples = batches.training_batches(
        config,
        run.examples_path,
        replica.order_seed(state.seed),
        run.cache_dir,
        run.tfds_data_dir,
        first_step=state.step,
        share=replica.share,
    )
    performances = note_sequences.find(run.config, "train", run.examples_path, run.tfds_data_dir)
    data = {"fingerprint": performances.fingerprint(), "num_examples": num_examples}
    changes = state.changes(run, data, training.allow_other_data)
    where = party.placement(training.devices.all_reduce) if party else machine.placement_of(training.devices, replica)
    prepared = Setup(run, training, state, config, make_batches, data, changes, where, party, validation)
    _announce(prepared)
    return prepared


def write_settings(prepared: Setup) -> None:
    """Writes what the run is trained with from now on to its config.json; its model has been built and fits.

    Before, it says what a model of ours leaves to Magenta's own layers, which are slower.
    """
    run, state, model = prepared.run, prepared.state, prepared.config.model
    if isinstance(model, vae.MusicVAE) and model.fallback_reasons:
        print(f"layers    Magenta's own, in fp32, for {', '.join(model.fallback_reasons)}", flush=True)
    history = state.settings.get("changes", []) if state.checkpoint else []
    if prepared.changes:
        history = [*history, {"step": state.step, **prepared.changes}]
    prepared.options.replica.write_settings(
        run.folder,
        {
            "config": run.name,
            "hparams": run.config.hparams.values(),
            "drums": converters.describe(run.config),
            "examples": run.where,
            "data": prepared.data,
            "seed": state.seed,
            "precision": state.precision,
            "layers": state.layers,
            "devices": _describe_devices(prepared),
            "changes": history,
            "command": prepared.options.command,
        },
    )


def conclude(prepared: Setup, step: int, minutes: float, stop: interrupts.Stop) -> int:
    """Says how training ended, after which step; returns the exit status."""
    run, validation = prepared.run, prepared.validation
    newest = checkpoints.newest(run.folder.train_dir)
    print(f"step {step} after {minutes:.1f} minutes; checkpoint {newest or 'none yet'}")
    if validation and (top := validation.best()):
        name = validation.best_metric
        is_kept = best.holds(run.folder.path, top)
        where = f"in {run.folder.best_dir}" if is_kept else "of which the checkpoint was no longer there to be kept"
        print(f"best: {name} {top[name]:.4g} at step {top['step']}, {where}")
    if stop.is_asked_for():
        print("stopped; the same command goes on from here")
    elif validation and validation.is_over:
        print(validation.conclusion())
    return stop.status


def _own_config(run: options.Run, replica: options.Replica, state: resume.ResumeState) -> configs.Config:
    """Returns the config to train, with this worker's share of the batch, its precision and its seed."""
    config = copy.deepcopy(run.config)
    config.hparams.batch_size //= replica.num_in_step
    if isinstance(config.model, vae.MusicVAE):
        config.model.precision, config.model.layers = state.precision, state.layers
        config.model.seed = replica.noise_seed(state.seed)
    return config


def _describe_devices(prepared: Setup) -> list[str]:
    lines = prepared.party.describe() if prepared.party else magenta.describe_devices()
    return machine.describe(prepared.where, prepared.config.hparams.batch_size, lines)


def _announce(prepared: Setup) -> None:
    run, state, config = prepared.run, prepared.state, prepared.config
    is_ours = isinstance(config.model, vae.MusicVAE)
    print(f"config    {run.name}")
    print(f"examples  {prepared.data['num_examples']} from {run.where}, {config.hparams.batch_size} a batch")
    print("devices   " + "\n          ".join(_describe_devices(prepared)))
    by_magenta = f"{state.precision} (layers of Magenta)"
    print(f"precision {precisions.describe(state.precision, state.layers) if is_ours else by_magenta}")
    for name, (before, now) in prepared.changes.items():
        print(f"changed   {name} {before} → {now}")
    print(f"run       {run.folder.path}, {f'going on from step {state.step}' if state.step else 'new'}", flush=True)
