"""The trained models of the clone, by name and without TensorFlow: `pretrained/NAME`, a run's folder in small.

pretrained/NAME/config.json   a run's settings: config, hparams, data, seed, precision, versions
pretrained/NAME/NAME.tar      its checkpoint in Magenta's published form
pretrained/NAME/README.md     its model card

`python -m pipelines.export` writes such a folder.
"""

from __future__ import annotations

import difflib
import os
import pathlib

from pipelines.runs.run_folder import SETTINGS_NAME, RunFolder

PRETRAINED_DIR = pathlib.Path(__file__).resolve().parents[2] / "pretrained"
CARD_NAME = "README.md"


def tar_of(folder: str | os.PathLike[str]) -> pathlib.Path | None:
    """Returns the checkpoint of a trained model's folder; None where it is no such folder."""
    folder = pathlib.Path(folder).expanduser().absolute()
    tar = folder / f"{folder.name}.tar"
    return tar if tar.is_file() and (folder / SETTINGS_NAME).is_file() else None


def names() -> list[str]:
    """Returns the names of all trained models."""
    return sorted(path.name for path in PRETRAINED_DIR.glob("*") if tar_of(path))


def locate(name: str) -> pathlib.Path:
    """Returns the folder of a trained model, which stands wherever a run's folder can.

    Raises:
        FileNotFoundError: there is no trained model at all.
        ValueError: there is none of this name; names those that there are, nearest first.
    """
    known = names()
    if not known:
        raise FileNotFoundError(
            f"--pretrained={name}: there are no trained models in {PRETRAINED_DIR}; get them with the clone"
            " (git checkout pretrained), or give a run of your own: --run_dir"
        )
    if name not in known:
        near = difflib.get_close_matches(name, known, n=len(known), cutoff=0.4)
        rest = [other for other in known if other not in near]
        raise ValueError(f"unknown --pretrained={name!r}; known, nearest first: {', '.join([*near, *rest])}")
    return PRETRAINED_DIR / name


def of_config(config: str) -> str | None:
    """Returns the name of a trained model of a config; None where there is none."""
    return next((name for name in names() if RunFolder(PRETRAINED_DIR / name).config_name == config), None)


def choose(run_dir: str | None, checkpoint_file: str | None, name: str | None) -> str | None:
    """Returns the `--run_dir` that counts where a model can be named in three ways; None with a checkpoint's file.

    Raises:
        FileNotFoundError: as `locate`.
        ValueError: not exactly one of the three is given, or as `locate`.
    """
    if sum(given is not None for given in (run_dir, checkpoint_file, name)) != 1:
        raise ValueError("give one of --run_dir, --checkpoint_file and --pretrained: where is the trained model?")
    return str(locate(name)) if name is not None else run_dir
