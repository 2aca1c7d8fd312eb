"""Which config and hparams a trained model has. With TensorFlow, which configs need."""

from __future__ import annotations

import configs
from pipelines.runs import trained
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
    if name is not None:
        configs.CONFIG_MAP[name]  # An unknown one is said to be that, and not another than the run's.
    name = trained.config_name(run, name)
    config, settings = configs.CONFIG_MAP[name], run.settings() if run else {}
    for hparam, value in settings.get("hparams", {}).items():
        if hparam in config.hparams:
            config.hparams.set_hparam(hparam, value)
    return name, configs.with_hparams(config, overrides)


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
    run, path = trained.locate(run_dir, checkpoint_file)
    return *resolve_config(run, name, overrides), path
