"""`manifest.json`: what made the files of a folder, as `pipelines.generate` writes it and somebody may have edited it.

What is missing or of another kind than it should be is left out; neither a path nor a size in it is trusted.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import pathlib
from collections.abc import Mapping, Sequence

NAME = "manifest.json"
ORIGINALS_NAME = "originals"  # The folder of what outputs were made of.
GRID = "grid"
MAX_GRID_SIZE = 32
MAX_BARS = 1024
_CHECKPOINT = ("checkpoint", "checkpoint_sha256")


@dataclasses.dataclass(frozen=True)
class Output:
    """A file that a command wrote. Paths are relative to the folder, with slashes."""

    midi: str
    label: str = ""
    sha256: str = ""
    original: str | None = None  # What it was made of.
    num_bars: int = 1  # It has as many or more, as its last bars may be silent.
    cell: tuple[int, int] | None = None  # Row and column, from 0, in a grid.
    facts: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Command:
    """A command that wrote into the folder: what it was told, as names and texts, and its outputs."""

    mode: str
    created: str
    facts: Mapping[str, str]  # Of config, temperature, seed, checkpoint and checkpoint_sha256 those that are known.
    flags: Mapping[str, str]
    models: Mapping[str, Mapping[str, str]]  # Further ones, by what they are for: config and checkpoint of each.
    inputs: Sequence[str]
    versions: Mapping[str, str]
    outputs: Sequence[Output]


def read(folder: pathlib.Path) -> tuple[list[Command], str]:
    """Returns the commands that wrote into a folder, the newest first, and what is wrong with its manifest.

    Without a manifest there is neither; with one that cannot be read, no command.
    """
    path = folder / NAME
    if not path.exists():
        return [], ""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError("it holds no object")
        if not isinstance(content.get("outputs"), list):
            raise ValueError("it has no list of outputs")
    except (ValueError, OSError, RecursionError) as error:
        return [], f"{NAME} cannot be read ({_reason(error)}): what made these files is not known."
    earlier = [_command(one) for one in _dicts(content.get("earlier"))]
    return [_command(content), *sorted(earlier, key=lambda command: command.created, reverse=True)], ""


def _command(content: Mapping) -> Command:
    facts = {key: _text(content.get(key)) for key in ("config", "temperature", "seed", *_CHECKPOINT)}
    models = {
        _text(name): _texts({key: of[key] for key in ("config", *_CHECKPOINT) if key in of})
        for name, of in _dict(content.get("models")).items()
        if isinstance(of, dict)
    }
    return Command(
        mode=_text(content.get("mode")),
        created=_text(content.get("created")),
        facts={key: text for key, text in facts.items() if text},
        flags=_texts(content.get("flags")),
        models=models,
        inputs=[text for of in _dicts(content.get("inputs")) if (text := _text(of.get("path")))],
        versions=_texts(content.get("versions")),
        outputs=[
            output for of in _dicts(content.get("outputs")) if (output := _output(of, content.get("mode") == GRID))
        ],
    )


def _output(content: Mapping, in_grid: bool) -> Output | None:
    midi = _inside(content.get("midi"))
    if midi is None:
        return None
    cell = tuple(_count(content.get(key), 0, MAX_GRID_SIZE - 1) for key in ("row", "column"))
    return Output(
        midi,
        label=_text(content.get("label")),
        sha256=_text(content.get("sha256")),
        original=_inside(content.get("original")),
        num_bars=_count(content.get("num_bars"), 1, MAX_BARS) or 1,
        cell=cell if in_grid and None not in cell else None,
        facts=_texts(content.get("facts")),
    )


def _inside(value: object) -> str | None:
    """Returns a path if it is one that leads to something in the folder."""
    if not isinstance(value, str) or not value or "\0" in value:
        return None
    try:
        os.fsencode(value)
    except UnicodeEncodeError:  # JSON can hold halves of characters, which no name has.
        return None
    path = pathlib.PurePosixPath(value)
    return None if path.is_absolute() or ".." in path.parts else path.as_posix()


def _count(value: object, least: int, most: int) -> int | None:
    return value if type(value) is int and least <= value <= most else None


def _text(value: object) -> str:
    """Returns a value of JSON as a page shows it; nothing for null, lists and objects."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and math.isfinite(value):
        return f"{value:g}"
    # JSON can hold halves of characters, which no page can be written with.
    return str(value).encode("utf-8", "replace").decode() if isinstance(value, str | int | float) else ""


def _texts(value: object) -> dict[str, str]:
    shown = {}
    for key, one in _dict(value).items():
        text = ", ".join(filter(None, map(_text, one))) if isinstance(one, list) else _text(one)
        if text:
            shown[_text(key).replace("_", " ")] = text
    return shown


def _dict(value: object) -> dict:
    return value if isinstance(value, dict) else {}


def _dicts(value: object) -> list[dict]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return getattr(error, "strerror", None) or str(error).splitlines()[0]
