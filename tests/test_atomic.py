"""Outputs appear whole or not at all."""

from __future__ import annotations

import errno
import glob
import pathlib

import pytest

from pipelines import atomic


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_file_appears_only_at_the_end(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with atomic.replacing(path) as partial:
        partial.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, OSError(errno.ENOSPC, "No space left on device")])
def test_error_leaves_the_old_file_and_no_partial_one(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(error if isinstance(error, type) else OSError), atomic.replacing(path) as partial:
        partial.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_missing_folders_are_made(tmp_path):
    atomic.write_text(tmp_path / "new" / "folder" / "a.txt", "größer")
    assert (tmp_path / "new" / "folder" / "a.txt").read_bytes() == "größer".encode()


def test_partial_file_keeps_the_ending_and_no_glob_finds_it(tmp_path):
    with atomic.replacing(tmp_path / "train.tfrecord-00000-of-00002") as partial:
        partial.write_text("half")
        assert partial.suffix == ".tfrecord-00000-of-00002"
        assert glob.glob(str(tmp_path / "*")) == []  # noqa: PTH207  Path.glob, unlike glob, finds hidden files.
        assert partial.parent == tmp_path


def test_two_writers_do_not_share_a_partial_file(tmp_path):
    with atomic.replacing(tmp_path / "a") as first, atomic.replacing(tmp_path / "a") as second:
        assert first != second
        first.write_text("first")
        second.write_text("second")
    assert names(tmp_path) == ["a"]


def test_check_folder_makes_nothing(tmp_path):
    atomic.check_folder(tmp_path / "a" / "b")
    atomic.check_folder(tmp_path)
    assert names(tmp_path) == []


@pytest.mark.parametrize("inside", ["file", "file/a", "file/a/b"])
def test_check_folder_names_the_folder_that_cannot_be(tmp_path, inside):
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError) as caught:
        atomic.check_folder(tmp_path / inside)
    assert caught.value.filename == str(tmp_path / inside)


@pytest.mark.skipif(not pathlib.Path("/proc/self").exists(), reason="needs a folder that nobody can write to")
def test_check_folder_refuses_what_cannot_be_written_to():
    with pytest.raises(OSError, match="'/proc/self/new'"):
        atomic.check_folder("/proc/self/new")
