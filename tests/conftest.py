"""Data that several test modules read."""

from __future__ import annotations

import os
import pathlib

import pytest


@pytest.fixture(scope="session")
def starter_records(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The starter set, converted: a folder with train.tfrecord, validation.tfrecord, test.tfrecord and report.json.

    Keeps what later tests make of it in `.examples`; copy the files where a test changes them.
    """
    from pipelines import convert, sources

    folder = tmp_path_factory.mktemp("starter")
    convert.convert(sources.STARTER, folder, num_workers=1)
    return folder


@pytest.fixture(scope="session")
def groove_zip() -> pathlib.Path:
    """The Groove MIDI Dataset, from wherever the environment variable GROOVE_ZIP says."""
    given = os.environ.get("GROOVE_ZIP")
    if not given:
        pytest.skip("GROOVE_ZIP does not say where the Groove MIDI Dataset is")
    return pathlib.Path(given)
