"""What the tests of notebooks share: what commands have written, and what cells show."""

from __future__ import annotations

import os
import pathlib

import pytest

from pipelines.notebook import archive, commands, grid, inputs, results, tabs

BEAT = """
    hi-hat x-x-x-x-x-x-x-x-
    snare  ----X--o----X---
    kick   x-----x-x-------
"""


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A folder in which a beat was humanized, and a grid of two by two was made: in its `FOLDER`, with sound."""
    folder, before = tmp_path_factory.mktemp("made"), pathlib.Path.cwd()
    os.chdir(folder)
    try:
        beat = tabs.write("beat", BEAT, 92, 4, folder)
        commands.generate("humanized", mode="humanize", input=beat, seed=1)
        commands.generate("grid", mode="grid", grid_size=2, seed=1)
    finally:
        os.chdir(before)
    return folder / commands.FOLDER


@pytest.fixture
def shown(monkeypatch) -> list:
    """What is displayed instead of by a notebook, in order."""
    displayed = []
    for module in (archive, grid, inputs, results):
        monkeypatch.setattr(module, "display", displayed.append)
    return displayed
