"""What the tests of generation share: the command, called within the process, and the clone's models, loaded once."""

from __future__ import annotations

import functools
import json
import pathlib
from collections.abc import Callable

import pytest

from pipelines.generation import player
from pipelines.runs import pretrained
from tests import commands


@pytest.fixture
def generate(capsys, tmp_path) -> Callable[..., commands.Done]:
    """Returns a function that runs `pipelines.generate` with flags; its output goes into `tmp_path / "out"`."""

    def run(*arguments: object, output_dir: pathlib.Path = tmp_path / "out") -> commands.Done:
        return commands.run_generate(capsys, output_dir, *map(str, arguments))

    return run


@pytest.fixture(scope="session")
def trained_player() -> Callable[[str], player.Player]:
    """Returns a function that loads a model of the clone by name, once."""
    return functools.cache(lambda name: player.load(str(pretrained.locate(name)), None))


@pytest.fixture
def manifest_of() -> Callable[[pathlib.Path], dict]:
    """Returns a function that reads the manifest of a folder."""
    return lambda folder: json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
