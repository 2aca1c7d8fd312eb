"""The first signal waits, the second one does not."""

import os
import pathlib
import signal
import subprocess
import sys
import threading

import pytest

from pipelines.training import interrupts


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_noted(number, capsys):
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    with interrupts.deferred() as stop:
        assert (stop.number, stop.status) == (None, 0)
        signal.raise_signal(number)
        assert (stop.number, stop.status) == (number, 128 + number)
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before
    assert capsys.readouterr().err == "stopping; a second signal ends at once\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_second_signal_ends_a_process_that_does_not_look(number):
    code = f"""
import os, signal
from pipelines.training import interrupts
with interrupts.deferred():
    signal.raise_signal(signal.SIGINT)
    os.kill(os.getpid(), {int(number)})
    print("still here")
"""
    root = pathlib.Path(__file__).resolve().parents[3]
    process = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": str(root)}, capture_output=True, text=True
    )
    assert process.returncode == -number
    assert process.stdout == ""
    assert "Traceback" not in process.stderr


def test_outside_of_the_main_thread_signals_stay_as_they_are():
    before = signal.getsignal(signal.SIGINT)
    found = []

    def run():
        with interrupts.deferred() as stop:
            found.append((stop.number, signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found == [(None, before)]
