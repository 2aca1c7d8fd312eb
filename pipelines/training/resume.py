"""What a run goes on with: the seed it began with, and what of its hparams and data is no longer the same."""

from __future__ import annotations

import os
import pathlib
import secrets

import configs
from pipelines.runs import run_lock

MAX_SEED = 2**31  # TensorFlow's seeds are int32.


def check_new(run_dir: str | os.PathLike[str]) -> None:
    """Checks that there is nothing in a folder that a run could be continued from, or that one could overwrite.

    Raises:
        ValueError: there is.
    """
    path = pathlib.Path(run_dir)
    found = sorted(each.name for each in path.iterdir() if each.name != run_lock.LOCK_NAME) if path.is_dir() else []
    if found:
        raise ValueError(
            f"--noresume: {path} is not empty ({', '.join(found[:3])}{', …' if len(found) > 3 else ''});"
            " give another --run_dir, or --resume to go on with what is there"
        )


def seed(record: dict, given: int | None, has_checkpoint: bool) -> int:
    """Returns the seed of a run: the one it began with, or the given one, or a new one.

    Args:
        record: Of `runs.read_record`.
        given: --seed.
        has_checkpoint: Whether there is something that an earlier seed has led to.

    Raises:
        ValueError: it began with another one.
    """
    before = record.get("seed")
    if not has_checkpoint or before is None:
        return given if given is not None else before if before is not None else secrets.randbelow(MAX_SEED)
    if given not in (None, before):
        raise ValueError(
            f"--seed={given}: this run was started with seed {before}; leave the flag out to go on with it,"
            " or give another --run_dir"
        )
    return before


def changed_hparams(record: dict, config: configs.Config) -> dict[str, list]:
    """Returns the hparams that are not those the run was trained with, by name: [before, now]."""
    now = config.hparams.values()
    return {
        name: [value, now[name]]
        for name, value in record.get("hparams", {}).items()
        if name in now and value != now[name]
    }


def check_data(record: dict, data: dict, where: str, allowed: bool) -> dict[str, list]:
    """Compares the data of a run with those it was trained on, and returns what has changed, as `changed_hparams`.

    Args:
        record: Of `runs.read_record`.
        data: `fingerprint` and `num_examples`.
        where: Where they are from, as a person reads it.
        allowed: Whether others will do.

    Raises:
        ValueError: they are others.
    """
    before = record.get("data")
    if before in (None, data):
        return {}
    if not allowed:
        raise ValueError(
            f"{where}: {data['num_examples']} examples, and not the {before['num_examples']} of {record['examples']}"
            " that this run was trained on;\n"
            "  give those, or another --run_dir, or --allow_other_data to go on with these"
        )
    return {"examples": [f"{before['num_examples']} from {record['examples']}", f"{data['num_examples']} from {where}"]}


def describe(changes: dict[str, list]) -> list[str]:
    """Returns a line for each change: `learning_rate 0.001 → 0.0003`."""
    return [f"{name} {before} → {now}" for name, (before, now) in changes.items()]
