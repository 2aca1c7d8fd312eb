"""Checkpoints are told by their files' names: complete or not, in the order in which they are to be tried."""

import os
import pathlib
import subprocess
import sys

import pytest

from models import checkpoint_files


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    """A folder with model.ckpt-1 and model.ckpt-20, in two data files, and the file that names the newest."""
    for step in (1, 20):
        for ending in ("index", "data-00000-of-00002", "data-00001-of-00002"):
            (tmp_path / f"model.ckpt-{step}.{ending}").touch()
    checkpoint_files.write_index(tmp_path, "model.ckpt-20")
    return tmp_path


def steps(folder: pathlib.Path) -> list[int]:
    return [checkpoint_files.step_of(prefix) for prefix in checkpoint_files.newest_first(folder)]


def test_the_file_that_names_the_newest_comes_before_steps(folder):
    assert steps(folder) == [20, 1]
    checkpoint_files.write_index(folder, "model.ckpt-1")
    assert steps(folder) == [1, 20]
    os.utime(folder / "model.ckpt-20.index", ns=(2**62, 2**62))  # Written after it.
    assert steps(folder) == [20, 1]


def test_one_that_lacks_a_file_is_none(folder):
    (folder / "model.ckpt-20.data-00001-of-00002").unlink()
    assert not checkpoint_files.is_complete(str(folder / "model.ckpt-20"))
    assert steps(folder) == [1]
    assert checkpoint_files.all_complete(folder) == [str(folder / "model.ckpt-1")]


def test_the_index_is_the_last_of_the_files(folder):
    assert [path.name for path in checkpoint_files.files_of(str(folder / "model.ckpt-1"))] == [
        "model.ckpt-1.data-00000-of-00002",
        "model.ckpt-1.data-00001-of-00002",
        "model.ckpt-1.index",
    ]


@pytest.mark.parametrize(("name", "step"), [("a/model.ckpt-20", 20), ("model.ckpt", 0), ("groovae-x", 0)])
def test_the_step_is_in_the_name(name, step):
    assert checkpoint_files.step_of(name) == step


def test_sweeping_deletes_halves_alone(folder):
    whole = {path.name for path in folder.iterdir()}
    for name in (
        *("model.ckpt-30.data-00000-of-00001.tempstate123", "model.ckpt-30.index.tempstate4", "checkpoint.tmpab12"),
        *("model.ckpt-30.data-00000-of-00001", "events.out.tfevents.1.host"),
    ):
        (folder / name).touch()
    (folder / "model.ckpt-30_temp").mkdir()
    (folder / "model.ckpt-30_temp" / "part").touch()
    checkpoint_files.sweep(folder)
    assert {path.name for path in folder.iterdir()} == whole | {"events.out.tfevents.1.host"}


def test_it_needs_no_tensorflow():
    code = "import sys; from models import checkpoint_files; print('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
