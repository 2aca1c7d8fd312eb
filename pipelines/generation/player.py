"""A trained model that plays: its checkpoint computed in NumPy, and what lies beside it."""

from __future__ import annotations

import dataclasses
import pathlib

import numpy as np

from grooves.groove import Groove
from grooves.timing import STEPS_PER_BAR
from models import checkpoints, latents, tensor_bundle
from models.numpy_vae import NumpyVae
from pipelines.generation.attributes import Attributes
from pipelines.generation.attributes import read as read_attributes
from pipelines.runs import pretrained, trained
from pipelines.runs.run_folder import RunFolder


@dataclasses.dataclass(frozen=True, eq=False)
class Player:
    """A trained model of drums.

    Attributes:
        config: Its config's name.
        checkpoint: Where its variables were read from.
        kit: The pitches that it plays, "roland" or "gm".
        model: What computes it.
        mixture: What latent vectors are drawn from; None is the prior.
        attributes: Directions in latent space; None where none lie beside the checkpoint.
    """

    config: str
    checkpoint: str
    kit: str
    model: NumpyVae
    mixture: latents.Mixture | None = None
    attributes: Attributes | None = None

    @property
    def bars(self) -> int:
        """How many bars it hears at once."""
        return self.model.steps // STEPS_PER_BAR

    def draw(self, n: int, random: np.random.Generator) -> np.ndarray:
        """Returns `[n, z_size]` latent vectors."""
        if self.mixture:
            return self.mixture.draw(n, random)
        return random.standard_normal([n, self.model.z_size], np.float32)

    def means(self, played: Groove) -> np.ndarray:
        """Returns the posteriors' means `[n, z_size]` of grooves `[n, steps, 9]`."""
        return self.model.encode(played)[0]


def load(
    run_dir: str | None,
    checkpoint_file: str | None,
    config: str | None = None,
    hparams: str = "",
    asked_latents: str | None = None,
) -> Player | None:
    """Loads a trained model; None for one whose layers only TensorFlow computes here.

    Without TensorFlow where a run says what its config is; else the registry is asked, which imports it.

    Args:
        run_dir: A run's folder, or its `train/` or `best/`, or a trained model's folder.
        checkpoint_file: In place of that, a checkpoint as `models.checkpoints.unpacked` takes it.
        config: The config's name; None takes the run's.
        hparams: What a checkpoint without a run's folder was trained with, `name=value,…`.
        asked_latents: As `runs.trained.latents_of` takes it.

    Raises:
        FileNotFoundError: there is no checkpoint.
        ValueError: which model is not said, or it is damaged, or of another config.
    """
    run, checkpoint = trained.locate(run_dir, checkpoint_file)
    name = trained.config_name(run, config)
    described = _describe(run, name, hparams)
    if not described:
        return None
    with checkpoints.unpacked(checkpoint) as prefix:
        values = tensor_bundle.read(prefix)
    model = NumpyVae(values, described["encoder_sees"], described["hparams"]["max_seq_len"], checkpoint)
    _check_sizes(model, described["hparams"], checkpoint)
    mixture = trained.latents_of(checkpoint, model.z_size, asked_latents)
    attributes = read_attributes(trained.folder_of(checkpoint), model.z_size)
    return Player(name, checkpoint, described["kit"], model, mixture, attributes)


def _describe(run: RunFolder | None, name: str, overrides: str) -> dict:
    """Returns what `models.converters.describe` says of a config, and its `hparams`; empty where it says nothing."""
    settings = run.settings() if run else {}
    if settings.get("drums") and not overrides:
        return settings["drums"] | {"hparams": settings["hparams"]}
    from models import converters
    from pipelines.runs import resolution

    _, config = resolution.resolve_config(run, name, overrides)
    described = converters.describe(config)
    return described and described | {"hparams": config.hparams.values()}


def _check_sizes(model: NumpyVae, hparams: dict, checkpoint: str) -> None:
    differing = [
        f"{name} is {size}, not {hparams[name]}" for name, size in model.sizes.items() if hparams[name] != size
    ]
    if differing:
        raise ValueError(
            f"{checkpoint}: of another config or other hparams: {'; '.join(differing)};\n"
            "  give the --config and --hparams that it was trained with"
        )


def find(named: str) -> tuple[str | None, str | None]:
    """Returns the run's folder or the checkpoint that is named in one flag, as `load` takes them.

    Args:
        named: The name of a trained model of the clone, a run's folder, or a checkpoint.

    Raises:
        ValueError: it is none of these.
    """
    path = pathlib.Path(named).expanduser()
    if path.is_dir():
        return named, None
    if path.exists() or pathlib.Path(f"{path}.index").exists():
        return None, named
    return str(pretrained.locate(named)), None
