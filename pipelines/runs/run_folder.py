"""A run's folder: what it holds and where, read and written without TensorFlow.

run_dir/config.json          its settings: config, hparams, data, seed, precision, versions, what changed on the way
run_dir/metrics.jsonl        what was measured, step by step; curves.png shows it
run_dir/train/model.ckpt-N   checkpoints and TensorBoard events of the training
run_dir/best/model.ckpt-N    the checkpoint that validation liked best, with metrics.json
run_dir/eval/metrics.json    the newest evaluation, with its TensorBoard events; evaluation.html shows it
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import os
import pathlib
import platform
import re

from models import checkpoint_files
from pipelines.files import atomic

SETTINGS_NAME = "config.json"
TRAIN_NAME, BEST_NAME = "train", "best"  # The folders that have checkpoints in them.
PACKAGES = ("tensorflow", "magenta", "note-seq", "numpy")
_PROJECT_DIR = pathlib.Path(__file__).resolve().parents[2]


@dataclasses.dataclass(frozen=True)
class RunFolder:
    """The folder of a run, which need not exist yet."""

    path: pathlib.Path

    @property
    def train_dir(self) -> pathlib.Path:
        return self.path / TRAIN_NAME

    @property
    def best_dir(self) -> pathlib.Path:
        return self.path / BEST_NAME

    def settings(self) -> dict:
        """Returns what `write_settings` wrote; empty for a new folder and for a run of stock Magenta.

        Raises:
            ValueError: the file is damaged.
        """
        path = self.path / SETTINGS_NAME
        try:
            settings = json.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except ValueError as error:
            raise ValueError(f"{path}: damaged ({error}); delete it and give --config and --hparams instead") from error
        if not isinstance(settings, dict) or "config" not in settings:
            raise ValueError(f"{path}: not written by training; is this a run's folder?")
        return settings

    def write_settings(self, settings: dict) -> None:
        """Writes what the run is trained with: `config` (its name), `hparams` and more, and the versions besides."""
        versions = {"python": platform.python_version()}
        versions |= {package: importlib.metadata.version(package) for package in PACKAGES}
        settings = settings | {"versions": versions | _commit(_PROJECT_DIR / ".git")}
        atomic.write_text(self.path / SETTINGS_NAME, json.dumps(settings, indent=2) + "\n")

    @property
    def config_name(self) -> str | None:
        """The name of the run's config; None where the settings are missing or damaged."""
        try:
            return self.settings().get("config")
        except ValueError:
            return None

    @property
    def step(self) -> int:
        """The step of the newest checkpoint, by the names of the files; 0 without any."""
        newest = next(iter(checkpoint_files.newest_first(self.train_dir)), None)
        return checkpoint_files.step_of(newest) if newest else 0

    def sweep(self) -> None:
        """Deletes half-written files that killed processes have left; nobody else may be training there."""
        for folder in (self.path, self.train_dir, self.best_dir):
            checkpoint_files.sweep(folder)
            for path in folder.glob(".*.partial*"):
                path.unlink(missing_ok=True)


def locate(run_dir: str | os.PathLike[str]) -> tuple[RunFolder, pathlib.Path]:
    """Returns the run that a path means, and which of its folders of checkpoints.

    The path is a run's folder, new or old, which means its `train/`; or that or its `best/`.
    """
    path = pathlib.Path(run_dir).expanduser()
    run = RunFolder(path.parent)
    if path.name in (TRAIN_NAME, BEST_NAME) and (run.path / SETTINGS_NAME).is_file():
        return run, path
    return RunFolder(path), RunFolder(path).train_dir


def of_checkpoint(path: str | os.PathLike[str]) -> RunFolder | None:
    """Returns the run that a checkpoint belongs to; None where no settings lie beside it, as with Magenta's own.

    The path is a run's folder, its `train/` or `best/`, or a checkpoint's prefix or file in one of these; or the
    tar of a trained model.
    """
    path = pathlib.Path(path).expanduser().absolute()
    folder = path.parent if path.parent.name in (TRAIN_NAME, BEST_NAME) or path.suffix == ".tar" else path
    run, _ = locate(folder)
    return run if (run.path / SETTINGS_NAME).is_file() else None


def _commit(git_dir: pathlib.Path) -> dict[str, str]:
    """Returns the commit that is checked out, as far as that can be told without git."""
    try:
        head = (git_dir / "HEAD").read_text().strip()
        if head.startswith("ref: "):
            head = (git_dir / head.removeprefix("ref: ")).read_text().strip()
    except OSError:
        return {}
    return {"commit": head} if re.fullmatch("[0-9a-f]{40,64}", head) else {}
