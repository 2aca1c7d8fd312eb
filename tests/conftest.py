"""What several test modules share: converted data, and runs of two training steps, made once a session."""

from __future__ import annotations

import importlib
import os
import pathlib
import signal

import pytest

importlib.import_module("models.magenta")  # After it, tests import TensorFlow and Magenta in any order.

# A shell starts what runs in the background with SIGINT ignored, and programs that tests interrupt inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is thorough is slow as well, before `-m` chooses."""
    for item in items:
        if item.get_closest_marker("thorough"):
            item.add_marker("slow")


@pytest.fixture(scope="session")
def starter_records(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The starter set, converted: a folder with train.tfrecord, validation.tfrecord, test.tfrecord and report.json.

    Keeps what later tests make of it in `.examples`; copy the files where a test changes them.
    """
    from pipelines.dataset import conversion
    from pipelines.dataset.inputs import sources

    folder = tmp_path_factory.mktemp("starter")
    conversion.convert(sources.STARTER, folder, num_workers=1)
    return folder


@pytest.fixture(scope="session")
def groove_zip() -> pathlib.Path:
    """The Groove MIDI Dataset, from wherever the environment variable GROOVE_ZIP says."""
    path = pathlib.Path(os.environ.get("GROOVE_ZIP", ""))
    if not path.is_file():
        pytest.skip("GROOVE_ZIP names no file: the Groove MIDI Dataset is not in the project")
    return path


@pytest.fixture(scope="session")
def tiny_runs(starter_records: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, pathlib.Path]:
    """A run's folder for each family of configs, after two steps."""
    from tests.tiny import train_tiny

    folder = tmp_path_factory.mktemp("runs")
    names = ("hier-drums_4bar_small", "groovae_4bar")
    for name in names:
        train_tiny(name, folder / name, starter_records, num_steps=2, seed=1)
    return {name: folder / name for name in names}
