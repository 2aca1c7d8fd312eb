"""The project's commands in a notebook: what they say appears in the cell while they run, and what fails is an error.

Each runs in a process of its own, so that nothing in the notebook keeps TensorFlow or its memory.
"""

from __future__ import annotations

import os
import pathlib
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence

from pipelines.audio import rendering

PROJECT_DIR = pathlib.Path(__file__).resolve().parents[2]
FOLDER = pathlib.Path("generated", "notebook")  # Below the current folder; a folder for each `generate`.
SECS_PER_MINUTE = 60
STOPPED = 130  # 128 + SIGINT: how a command ends that was told to stop.


def run(command: str, *arguments: str, minutes: float | None = None) -> bool:
    """Runs `python -m pipelines.COMMAND` in the current folder.

    Args:
        command: A module of `pipelines`, as "train".
        arguments: Its flags, and what else it takes.
        minutes: It is told to stop after so many, as with Ctrl-C: training then writes a checkpoint first. None lets it
            run to its end. Whoever interrupts the cell tells it the same.

    Returns:
        Whether it ran to its end.

    Raises:
        RuntimeError: it failed; what it said last.
    """
    print(f"$ python -m pipelines.{command} {shlex.join(arguments)}", flush=True)
    process = _start(command, arguments)
    timer = threading.Timer((minutes or 0) * SECS_PER_MINUTE, _send, [signal.SIGINT, process])
    timer.daemon = True
    if minutes is not None:
        timer.start()
    try:
        try:
            reason = _tell(process)
        except KeyboardInterrupt:
            _send(signal.SIGINT, process)
            reason = _tell(process)
    finally:
        timer.cancel()
        _send(signal.SIGKILL, process)  # Interrupted a second time.
    if process.returncode in (STOPPED, -signal.SIGINT):
        return False
    if process.returncode:
        raise RuntimeError(reason or f"pipelines.{command} failed, with exit status {process.returncode}")
    return True


def generate(name: str, **asked: object) -> pathlib.Path:
    """Writes drums with `pipelines.generate` into a folder, and renders them, where there is a FluidSynth.

    Args:
        name: Of the folder in `FOLDER`.
        asked: Flags of `pipelines.generate` by their names; None leaves one out, a list gives it several times.

    Returns:
        The folder, for `results.show`.

    Raises:
        RuntimeError: it failed or was stopped; why.
    """
    folder = FOLDER / name
    if not run("generate", f"--output_dir={folder}", *_flags(asked)):
        raise RuntimeError("stopped before all drums were written; run the cell again")
    render(folder)
    return folder


def render(path: pathlib.Path) -> None:
    """Renders a MIDI file, or those of a folder that have no WAV yet; says so where something is missing for that."""
    try:
        soundfont = rendering.check()
    except OSError as error:
        print(f"no sound: {error}")
        return
    jobs = rendering.plan(path, only_new=True)
    _, reasons = rendering.render(jobs, soundfont) if jobs else ({}, [])
    for reason in reasons:
        print(f"no sound: {reason}")


def _flags(asked: Mapping[str, object]) -> Iterator[str]:
    for name, value in asked.items():
        if isinstance(value, bool):
            yield f"--{name}" if value else f"--no{name}"
        elif isinstance(value, (list, tuple)):
            yield from (f"--{name}={each}" for each in value)
        elif value is not None:
            yield f"--{name}={value}"


def _start(command: str, arguments: Sequence[str]) -> subprocess.Popen[str]:
    paths = [str(PROJECT_DIR), *filter(None, [os.environ.get("PYTHONPATH")])]
    return subprocess.Popen(
        [sys.executable, "-m", f"pipelines.{command}", *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONSAFEPATH": "1", "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,  # The notebook's own interrupt goes to it by way of `_send`, once.
    )


def _tell(process: subprocess.Popen[str]) -> str:
    """Prints what a process says until it has ended; returns the last error that it names, or ""."""
    error = ""
    for line in process.stdout:
        print(line, end="", flush=True)
        error = line.removeprefix("error: ").strip() if line.startswith("error: ") else error
    process.wait()
    return error


def _send(number: signal.Signals, process: subprocess.Popen[str]) -> None:
    """Sends a signal to a process that has not ended and to all that it has started."""
    if process.poll() is None:
        os.killpg(process.pid, number)
