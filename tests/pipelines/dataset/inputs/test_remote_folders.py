"""Folders of Beam's file systems, and what is said of them without Beam."""

from __future__ import annotations

import importlib.util
import os
import sys

import pytest

if importlib.util.find_spec("apache_beam") is None and not os.environ.get("CI"):
    pytest.skip("Apache Beam is not installed; ./run_tests.sh installs it", allow_module_level=True)

from pipelines.dataset import inputs as inputs_package
from pipelines.dataset.inputs import remote_folders, sources
from tests.beam_files import on_disk


def test_without_beam_a_url_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam.io.filesystem", None)
    monkeypatch.delitem(sys.modules, "pipelines.dataset.inputs.remote_folders")
    monkeypatch.delattr(inputs_package, "remote_folders")
    with pytest.raises(ValueError, match=r"needs Apache Beam, which .* --no-deps -r requirements-beam\.txt"):
        sources.open_collections(["gs://bucket/midi"])


def test_what_two_workers_write_is_there_once(remote):
    for _ in range(2):
        with remote_folders.writing(f"{remote}/shard") as file:
            file.write(b"the same")
    found = [path.name for path in on_disk(remote).iterdir() if path.is_file()]
    assert (found, remote_folders.read(f"{remote}/shard")) == (["shard"], b"the same")
