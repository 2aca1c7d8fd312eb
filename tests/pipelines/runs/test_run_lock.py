"""One process at a time trains in a folder."""

import os
import pathlib
import signal
import subprocess
import sys

import pytest

from pipelines.files import locks
from pipelines.runs import run_lock

HOLDER = """
import sys, time
from pipelines.runs import run_lock
with run_lock.held(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """A process that holds the lock of the folder `run`."""
    root = pathlib.Path(__file__).resolve().parents[3]
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, tmp_path / "run"],
        env=os.environ | {"PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_second_process_is_told_which_is_the_first(holder, tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "LOCK_SECS", 0.1)
    with (
        pytest.raises(BlockingIOError, match=rf"another process trains in this folder \(process {holder.pid}\)"),
        run_lock.held(tmp_path / "run"),
    ):
        pass
    assert (tmp_path / "run" / run_lock.LOCK_NAME).read_text() == str(holder.pid)


def test_a_killed_process_holds_nothing(holder, tmp_path):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with run_lock.held(tmp_path / "run"):
        assert (tmp_path / "run" / run_lock.LOCK_NAME).read_text() == str(os.getpid())


def test_nothing_stays_but_what_was_made_meanwhile(tmp_path):
    with run_lock.held(tmp_path / "a" / "run"):
        pass
    assert list((tmp_path / "a").iterdir()) == []
    with run_lock.held(tmp_path / "run"):
        (tmp_path / "run" / "file").touch()
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["file"]


def test_on_a_full_disk_the_lock_holds_without_the_id(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(run_lock.os, "write", full)
    with run_lock.held(tmp_path):
        assert (tmp_path / run_lock.LOCK_NAME).read_text() == ""
