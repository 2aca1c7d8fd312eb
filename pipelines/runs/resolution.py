"""Which config and which checkpoint a run's folder stands for. With TensorFlow, which configs and checkpoints need."""

from __future__ import annotations

import os

import configs
from models import checkpoints
from pipelines.runs import run_folder
from pipelines.runs.run_folder import RunFolder


def resolve_config(run: RunFolder | None, name: str | None, overrides: str) -> tuple[str, configs.Config]:
    """Returns a config's name and a copy of it with the hparams that count.

    Those are the registry's, changed by what the run was started with, changed by `overrides`.

    Args:
        run: New or old; None where a checkpoint is given that belongs to none.
        name: The config; None takes the run's.
        overrides: `--hparams`, as name=value,name=value.

    Raises:
        ValueError: the name is unknown, or the run is another config's; or an hparam does not exist.
    """
    settings = run.settings() if run else {}
    name = name or settings.get("config")
    if not name:
        raise ValueError("which config? --config=NAME, for instance hier-drums_4bar_small or groovae_4bar")
    config = configs.CONFIG_MAP[name]
    if settings and settings["config"] != name:
        raise ValueError(
            f"{run.path}: this run was trained with --config={settings['config']}, not {name};"
            " give that config, or another --run_dir"
        )
    for hparam, value in settings.get("hparams", {}).items():
        if hparam in config.hparams:
            config.hparams.set_hparam(hparam, value)
    return name, configs.with_hparams(config, overrides)


def newest_checkpoint(run_dir: str | os.PathLike[str]) -> str:
    """Returns the prefix of the newest checkpoint of a run, or of its `best/`, that can be read.

    Raises:
        FileNotFoundError: there is none.
    """
    run, checkpoint_dir = run_folder.locate(run_dir)
    path = checkpoints.newest(checkpoint_dir)
    if not path:
        raise FileNotFoundError(f"no checkpoint in {checkpoint_dir}; train first: ./run_train.sh --run_dir={run.path}")
    return path
