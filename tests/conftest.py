"""What several tests share: converted data and runs of two training steps, made once a session."""

import os
import pathlib

import pytest

from pipelines import convert
from tests.tiny import train_tiny


@pytest.fixture(scope="session")
def groove_zip() -> pathlib.Path:
    """The Groove MIDI Dataset where `GROOVE_ZIP` names it; without it the test is skipped."""
    path = pathlib.Path(os.environ.get("GROOVE_ZIP", ""))
    if not path.is_file():
        pytest.skip("GROOVE_ZIP names no file")
    return path


@pytest.fixture(scope="session")
def starter_records(tmp_path_factory) -> pathlib.Path:
    """The starter set as {train,validation,test}.tfrecord."""
    folder = tmp_path_factory.mktemp("starter")
    convert.convert("starter", folder)
    return folder


@pytest.fixture(scope="session")
def tiny_runs(starter_records, tmp_path_factory) -> dict[str, pathlib.Path]:
    """A run's folder for each family of configs, after two steps."""
    folder = tmp_path_factory.mktemp("runs")
    for name in ("hier-drums_4bar_small", "groovae_4bar"):
        train_tiny(name, folder / name, starter_records, num_steps=2, seed=1)
    return {name: folder / name for name in ("hier-drums_4bar_small", "groovae_4bar")}
