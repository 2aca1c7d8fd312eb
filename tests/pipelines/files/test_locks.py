"""Locks: of files and folders, one owner at a time, whatever became of the last one."""

from __future__ import annotations

import contextlib
import errno
import os

import pytest

from pipelines.files import locks


def refusal() -> str:
    return "somebody has it"


@pytest.mark.parametrize("name", [".", "file"])
def test_a_second_owner_waits_and_is_refused(tmp_path, monkeypatch, name):
    monkeypatch.setattr(locks, "LOCK_SECS", 0.1)
    with (
        locks.held(tmp_path / name, refusal),
        pytest.raises(BlockingIOError, match=r"^somebody has it$"),
        locks.held(tmp_path / name, refusal),
    ):
        raise AssertionError("entered twice")
    with locks.held(tmp_path / name, refusal):
        pass


def test_who_locks_a_file_that_its_last_owner_has_just_deleted_takes_the_new_one(tmp_path, monkeypatch):
    path = tmp_path / "file"
    with contextlib.ExitStack() as first:
        first.enter_context(locks.held(path, refusal))
        first.callback(path.unlink)

        def flock(*arguments):  # By now the second one has opened the file.
            first.close()
            real(*arguments)

        real = locks.fcntl.flock
        monkeypatch.setattr(locks.fcntl, "flock", flock)
        with locks.held(path, refusal) as descriptor:
            assert os.path.samestat(path.stat(), os.fstat(descriptor))


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL])
def test_where_the_file_system_has_no_locks_nobody_is_refused(tmp_path, monkeypatch, code):
    def flock(*_):
        raise OSError(code, "no locks here")

    monkeypatch.setattr(locks.fcntl, "flock", flock)
    with locks.held(tmp_path, refusal), locks.held(tmp_path / "file", refusal):
        pass


def test_any_other_error_of_a_lock_is_one(tmp_path, monkeypatch):
    def flock(*_):
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(locks.fcntl, "flock", flock)
    with pytest.raises(OSError, match="broken"), locks.held(tmp_path / "file", refusal):
        pass
