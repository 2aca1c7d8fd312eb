"""Outputs appear whole or not at all."""

from __future__ import annotations

import errno
import glob
import pathlib

import pytest

from pipelines.files import atomic


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


def is_ours(name):
    return name.startswith("ours")


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    for name in ("ours-1", "ours-2", "theirs"):
        (folder / name).write_text("old")
    return folder


def texts(folder):
    return {path.name: path.read_text() for path in folder.iterdir()}


OLD = {"ours-1": "old", "ours-2": "old", "theirs": "old"}
NEW = {"ours-2": "new", "ours-3": "new", "theirs": "old"}


def write_new(folder):
    (folder / "ours-2").write_text("new")
    (folder / "ours-3").write_text("new")


def test_all_files_of_a_folder_are_replaced_at_the_end(folder):
    with atomic.replacing_all(folder, is_ours) as staging:
        write_new(staging)
        assert texts_of_files(folder) == OLD
    assert texts(folder) == NEW


def texts_of_files(folder):
    return {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_the_old_files_of_a_folder(folder, error):
    with pytest.raises(error), atomic.replacing_all(folder, is_ours) as staging:
        write_new(staging)
        raise error
    assert texts(folder) == OLD


def test_an_error_leaves_no_new_folder(tmp_path):
    with pytest.raises(ValueError), atomic.replacing_all(tmp_path / "out", is_ours) as staging:
        write_new(staging)
        raise ValueError
    assert names(tmp_path) == []


@pytest.mark.parametrize("killed_after", range(6))
def test_what_was_cut_off_while_renaming_is_finished_later(folder, monkeypatch, killed_after):
    """A kill between any two of the renames; whoever looks at the folder next ends what was begun."""
    calls = iter(range(100))

    def counted(real):
        def replace(*arguments, **options):
            if next(calls) == killed_after:
                raise SystemExit("killed")
            return real(*arguments, **options)

        return replace

    with monkeypatch.context() as patched, pytest.raises(SystemExit):
        for name in ("replace", "unlink"):
            patched.setattr(pathlib.Path, name, counted(getattr(pathlib.Path, name)))
        patched.setattr(atomic.shutil, "rmtree", counted(atomic.shutil.rmtree))
        with atomic.replacing_all(folder, is_ours) as staging:
            write_new(staging)
        raise SystemExit("was not interrupted at all")
    atomic.finish(folder)
    left = texts_of_files(folder)
    assert left == (OLD if killed_after == 0 else NEW)
    atomic.finish(folder)
    with atomic.replacing_all(folder, is_ours) as staging:
        write_new(staging)
    assert texts(folder) == NEW


def test_one_process_at_a_time(folder):
    with (
        atomic.replacing_all(folder, is_ours) as staging,
        pytest.raises(BlockingIOError, match="out: another process is writing to it; wait until it has ended"),
        atomic.replacing_all(folder, is_ours),
    ):
        raise AssertionError("entered twice")
    assert staging.name == atomic.STAGING_NAME
