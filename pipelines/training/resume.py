"""The resume state of a run: its checkpoint, seed and precision, and what of its hparams and data has changed."""

from __future__ import annotations

import contextlib
import dataclasses
import secrets

import configs
from models import checkpoint_files, checkpoints, vae
from models import precision as precisions
from pipelines.training import options

MAX_SEED = 2**31  # TensorFlow's seeds are int32.
MAGENTAS_PRECISION, MAGENTAS_LAYERS = "fp32", "steps"


@dataclasses.dataclass(frozen=True)
class ResumeState:
    """What a run goes on with, or begins with."""

    checkpoint: str | None  # The prefix of the newest one; None at first.
    settings: dict  # What config.json said of the run until now.
    seed: int  # Of everything that is drawn.
    precision: str  # `fp32` or `bf16`.
    layers: str  # How they are computed: `steps`, `block` or `cudnn`.

    @property
    def step(self) -> int:
        return checkpoint_files.step_of(self.checkpoint) if self.checkpoint else 0

    def changes(self, run: options.Run, data: dict, allow_other_data: bool) -> dict[str, list]:
        """Returns what is no longer as it was when the run was trained last, by name: [before, now].

        Raises:
            ValueError: the data are others, and that is not allowed.
        """
        if not self.checkpoint:
            return {}
        changes = changed_hparams(self.settings, run.config)
        if self.settings.get("precision") not in (None, self.precision):
            changes["precision"] = [self.settings["precision"], self.precision]
        return changes | check_data(self.settings, data, run.where, allow_other_data)


def read(run: options.Run, training: options.Training) -> ResumeState:
    """Reads the resume state of a run from its folder.

    Raises:
        ValueError: the checkpoints or config.json are damaged, the run began with another seed, or the precision or the
            way to compute layers is not to be had.
    """
    checkpoint, settings = checkpoints.newest(run.folder.train_dir), run.folder.settings()
    precision = _precision(run, training, settings.get("precision") if checkpoint else None)
    return ResumeState(
        checkpoint=checkpoint,
        settings=settings,
        seed=seed(settings, training.seed, checkpoint is not None),
        precision=precision,
        layers=_layers(run, training.layers, precision),
    )


def seed(settings: dict, given: int | None, has_checkpoint: bool) -> int:
    """Returns the seed of a run: the one it began with, or `given` by --seed, or a new one.

    Raises:
        ValueError: another one was given, and there is a checkpoint that the one it began with has led to.
    """
    before = settings.get("seed")
    if not has_checkpoint or before is None:
        return given if given is not None else before if before is not None else secrets.randbelow(MAX_SEED)
    if given not in (None, before):
        raise ValueError(
            f"--seed={given}: this run was started with seed {before}; leave the flag out to go on with it,"
            " or give another --run_dir"
        )
    return before


def changed_hparams(settings: dict, config: configs.Config) -> dict[str, list]:
    """Returns the hparams that are not those the run was trained with, by name: [before, now]."""
    now = config.hparams.values()
    return {
        name: [value, now[name]]
        for name, value in settings.get("hparams", {}).items()
        if name in now and value != now[name]
    }


def check_data(settings: dict, data: dict, where: str, allowed: bool) -> dict[str, list]:
    """Returns how the data, which are from `where`, differ from those that a run was trained on: [before, now].

    Raises:
        ValueError: they do, and that is not allowed.
    """
    before = settings.get("data")
    if before in (None, data):
        return {}
    if not allowed:
        raise ValueError(
            f"{where}: {data['num_examples']} examples, and not the {before['num_examples']} of {settings['examples']}"
            " that this run was trained on;\n"
            "  give those, or another --run_dir, or --allow_other_data to go on with these"
        )
    return {
        "examples": [f"{before['num_examples']} from {settings['examples']}", f"{data['num_examples']} from {where}"]
    }


def _precision(run: options.Run, training: options.Training, before: str | None) -> str:
    """Returns what to compute in: as the run did, unless another one is asked for or this machine lacks it."""
    asked, layers = training.precision, training.layers
    if not isinstance(run.config.model, vae.MusicVAE):
        if asked not in ("auto", MAGENTAS_PRECISION):
            raise ValueError(f"--precision={asked}: {run.name} computes with Magenta's own layers, in fp32 alone")
        return MAGENTAS_PRECISION
    if asked == "auto" and before:
        with contextlib.suppress(ValueError):  # It began on another machine, or with other layers.
            return precisions.resolve(before, layers)
    return precisions.resolve(asked, layers)


def _layers(run: options.Run, asked: str, precision: str) -> str:
    """Returns how layers are computed. That is no matter of the run: `auto` is what this machine does fastest."""
    if not isinstance(run.config.model, vae.MusicVAE):
        if asked not in ("auto", MAGENTAS_LAYERS):
            raise ValueError(f"--layers={asked}: {run.name} computes with Magenta's own layers, in steps alone")
        return MAGENTAS_LAYERS
    return precisions.resolve_layers(asked, precision)
