"""A trained model as flags name it: which run, which config, which checkpoint. Without TensorFlow."""

from __future__ import annotations

import hashlib
import os
import pathlib
import tarfile

from models import checkpoint_files, checkpoints, latents
from pipelines.runs import pretrained, run_folder
from pipelines.runs.run_folder import RunFolder


def newest_checkpoint(run: RunFolder, checkpoint_dir: str | os.PathLike[str] | None = None) -> str:
    """Returns the prefix of the newest checkpoint that can be read in one of a run's folders, `train/` by default.

    Raises:
        FileNotFoundError: there is none.
    """
    checkpoint_dir = checkpoint_dir or run.train_dir
    path = checkpoints.newest(checkpoint_dir)
    if not path:
        raise FileNotFoundError(f"no checkpoint in {checkpoint_dir}; train first: ./run_train.sh --run_dir={run.path}")
    return path


def locate(run_dir: str | None, checkpoint_file: str | None) -> tuple[RunFolder | None, str]:
    """Returns the run that a trained model belongs to, None for a checkpoint without one, and its checkpoint.

    Args:
        run_dir: A run's folder, or its `train/` or `best/`, or a trained model's folder.
        checkpoint_file: In place of that, a checkpoint as `models.checkpoints.unpacked` takes it.

    Raises:
        FileNotFoundError: the run has no checkpoint.
        ValueError: not exactly one of the two is given.
    """
    if (run_dir is None) == (checkpoint_file is None):
        raise ValueError("give one of --run_dir and --checkpoint_file: where is the trained model?")
    if checkpoint_file:
        return run_folder.of_checkpoint(checkpoint_file), checkpoint_file
    run, checkpoint_dir = run_folder.locate(run_dir)
    tar = pretrained.tar_of(run.path)
    return run, str(tar) if tar else newest_checkpoint(run, checkpoint_dir)


def config_name(run: RunFolder | None, asked: str | None) -> str:
    """Returns the name of the config that a run has, or that was asked for where there is no run.

    Raises:
        ValueError: neither names one, or they differ.
    """
    settings = run.settings() if run else {}
    name = asked or settings.get("config")
    if not name:
        raise ValueError("which config? --config=NAME, for instance hier-drums_4bar_small or groovae_4bar")
    if settings and settings["config"] != name:
        raise ValueError(
            f"{run.path}: this run was trained with --config={settings['config']}, not {name};"
            " give that config, or another --run_dir"
        )
    return name


def latents_of(checkpoint: str, z_size: int, asked: str | None) -> latents.Mixture | None:
    """Returns the mixture beside a checkpoint that latent vectors are drawn from; None is the prior.

    Args:
        checkpoint: As `locate` returns it.
        z_size: Of its model.
        asked: One of `latents.CHOICES`; None takes the mixture where there is one.

    Raises:
        FileNotFoundError: it was asked for and is not there.
        ValueError: it is damaged, or another model's.
    """
    path = folder_of(checkpoint) / latents.FILE_NAME
    if asked == latents.PRIOR or (asked is None and not path.is_file()):
        return None
    if not path.is_file():
        raise FileNotFoundError(
            f"--latents={asked}: there is no {path}; python -m pipelines.export --examples_path=… makes one"
        )
    return latents.read(path, z_size)


def folder_of(checkpoint: str) -> pathlib.Path:
    """Returns the folder of a checkpoint, where what belongs to it lies: `latents.npz`, `attributes.npz`."""
    path = pathlib.Path(checkpoint).expanduser()
    return path if path.is_dir() else path.parent


def checksum(checkpoint: str | os.PathLike[str]) -> str:
    """Returns the SHA-256 of a checkpoint, as `locate` returns it: of a tar's bytes, else of its files', in order.

    Raises:
        FileNotFoundError: there is none.
    """
    path = pathlib.Path(checkpoint).expanduser()
    if path.is_file() and tarfile.is_tarfile(path):
        return file_checksum(path)
    with checkpoints.unpacked(path) as prefix:
        total = hashlib.sha256()
        for part in checkpoint_files.files_of(prefix):
            total.update(file_checksum(part).encode())
        return total.hexdigest()


def file_checksum(path: pathlib.Path) -> str:
    """Returns the SHA-256 of a file."""
    with path.open("rb") as file:
        total = hashlib.sha256()
        while chunk := file.read(1 << 20):
            total.update(chunk)
        return total.hexdigest()
