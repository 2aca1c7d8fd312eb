"""Which config and which checkpoint a run's folder stands for. With TensorFlow, which configs and checkpoints need."""

from __future__ import annotations

import os
import pathlib

import configs
from models import checkpoints, latents
from pipelines.runs import pretrained, run_folder
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


def resolve_latents(checkpoint: str, config: configs.Config, asked: str | None) -> latents.Mixture | None:
    """Returns the mixture beside a checkpoint that latent vectors are drawn from; None is the prior.

    Args:
        checkpoint: As `resolve_model` returns it.
        config: Its config.
        asked: One of `latents.CHOICES`; None takes the mixture where there is one.

    Raises:
        FileNotFoundError: it was asked for and is not there.
        ValueError: it is damaged, or another model's.
    """
    folder = pathlib.Path(checkpoint).expanduser()
    path = (folder if folder.is_dir() else folder.parent) / latents.FILE_NAME
    if asked == latents.PRIOR or (asked is None and not path.is_file()):
        return None
    if not path.is_file():
        raise FileNotFoundError(
            f"--latents={asked}: there is no {path}; python -m pipelines.export --examples_path=… makes one"
        )
    return latents.read(path, config.hparams.z_size)


def resolve_model(
    run_dir: str | None, checkpoint_file: str | None, name: str | None, overrides: str
) -> tuple[str, configs.Config, str]:
    """Returns the config that a trained model has, by name and as `resolve_config` does, and where its checkpoint is.

    Args:
        run_dir: A run's folder, or its `train/` or `best/`, or a trained model's folder.
        checkpoint_file: In place of that, a checkpoint as `models.checkpoints.unpacked` takes it.
        name: The config; None takes that of the run, or of the run that the checkpoint lies in.
        overrides: `--hparams`.

    Raises:
        FileNotFoundError: the run has no checkpoint.
        ValueError: not exactly one of the two is given, or as `resolve_config` says.
    """
    if (run_dir is None) == (checkpoint_file is None):
        raise ValueError("give one of --run_dir and --checkpoint_file: where is the trained model?")
    if run_dir:
        run, checkpoint_dir = run_folder.locate(run_dir)
        tar = pretrained.tar_of(run.path)
        path = str(tar) if tar else newest_checkpoint(run, checkpoint_dir)
    else:
        run, path = run_folder.of_checkpoint(checkpoint_file), checkpoint_file
    return *resolve_config(run, name, overrides), path
