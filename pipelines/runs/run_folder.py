"""A run's folder: which config and hparams it was trained with, and where its checkpoints are.

run_dir/config.json          the resolved config, the data, seed, precision and versions, what changed on the way
run_dir/metrics.jsonl        what was measured, step by step; curves.png shows it
run_dir/train/model.ckpt-N   checkpoints and TensorBoard events of the training
run_dir/best/model.ckpt-N    the one that validation liked best, with metrics.json
run_dir/eval/metrics.json    the newest evaluation, with its TensorBoard events
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import pathlib
import platform
import re

import configs
from models import checkpoint_files, checkpoints
from pipelines.files import atomic
from pipelines.runs import best

RECORD_NAME = "config.json"
PACKAGES = ("tensorflow", "magenta", "note-seq", "numpy")


def train_dir(run_dir: str | os.PathLike[str]) -> pathlib.Path:
    return pathlib.Path(run_dir).expanduser() / "train"


def resolve(run_dir: str | os.PathLike[str] | None, name: str | None, overrides: str) -> tuple[str, configs.Config]:
    """Returns a config's name and a copy of it with the hparams that count.

    Those are the registry's, changed by what the run was started with, changed by `overrides`.

    Args:
        run_dir: A run's folder, new or old; None where a checkpoint is given by itself.
        name: The config; None takes the run's.
        overrides: `--hparams`, as name=value,name=value.

    Raises:
        ValueError: the name is unknown, or the run is another config's; or an hparam does not exist.
    """
    record = read_record(run_dir) if run_dir else {}
    name = name or record.get("config")
    if not name:
        raise ValueError("which config? --config=NAME, for instance hier-drums_4bar_small or groovae_4bar")
    config = configs.CONFIG_MAP[name]
    if record and record["config"] != name:
        raise ValueError(
            f"{run_dir}: this run was trained with --config={record['config']}, not {name};"
            " give that config, or another --run_dir"
        )
    for hparam, value in record.get("hparams", {}).items():
        if hparam in config.hparams:
            config.hparams.set_hparam(hparam, value)
    return name, configs.with_hparams(config, overrides)


def read_record(run_dir: str | os.PathLike[str]) -> dict:
    """Returns what `write_record` wrote; empty for a new folder and for a run of stock Magenta.

    Raises:
        ValueError: the file is damaged.
    """
    path = pathlib.Path(run_dir).expanduser() / RECORD_NAME
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except ValueError as error:
        raise ValueError(f"{path}: damaged ({error}); delete it and give --config and --hparams instead") from error
    if not isinstance(record, dict) or "config" not in record:
        raise ValueError(f"{path}: not written by training; is this a run's folder?")
    return record


def write_record(run_dir: str | os.PathLike[str], record: dict) -> None:
    """Writes what a run is trained with, and the versions that train it.

    Args:
        run_dir: The run's folder.
        record: `config` (its name), `hparams` and whatever else there is to say.
    """
    versions = {"python": platform.python_version()}
    versions |= {package: importlib.metadata.version(package) for package in PACKAGES}
    record = record | {"versions": versions | _commit(pathlib.Path(__file__).parents[2] / ".git")}
    atomic.write_text(pathlib.Path(run_dir).expanduser() / RECORD_NAME, json.dumps(record, indent=2) + "\n")


def _commit(git_dir: pathlib.Path) -> dict[str, str]:
    """Returns the commit that is checked out, as far as that can be told without git."""
    try:
        head = (git_dir / "HEAD").read_text().strip()
        if head.startswith("ref: "):
            head = (git_dir / head.removeprefix("ref: ")).read_text().strip()
    except OSError:
        return {}
    return {"commit": head} if re.fullmatch("[0-9a-f]{40,64}", head) else {}


def sweep(run_dir: str | os.PathLike[str]) -> None:
    """Deletes half-written files that processes which were killed have left; nobody else may be training there."""
    run_dir = pathlib.Path(run_dir).expanduser()
    for folder in (run_dir, train_dir(run_dir), best.folder(run_dir)):
        checkpoint_files.sweep(folder)
        for path in folder.glob(".*.partial*"):
            path.unlink(missing_ok=True)


def newest_checkpoint(run_dir: str | os.PathLike[str]) -> str:
    """Returns the newest checkpoint of a run.

    Raises:
        FileNotFoundError: there is none.
    """
    path = checkpoints.newest(train_dir(run_dir))
    if not path:
        raise FileNotFoundError(
            f"no checkpoint in {train_dir(run_dir)}; train first: ./run_train.sh --run_dir={run_dir}"
        )
    return path
