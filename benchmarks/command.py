"""A command as a process of its own: what it took from start to end, and its largest memory."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import subprocess
import time
from collections.abc import Sequence

# What Magenta needs on today's TensorFlow; ours says so itself.
VARIABLES = {"TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a command took, and the most memory that it, or a process that it waited for, held at once."""

    secs: float
    peak_bytes: int


def run(name: str, command: Sequence[str], log_path: pathlib.Path) -> Outcome:
    """Runs a command to its end; both of its outputs go to `log_path`. A ValueError says by `name` that it failed."""
    environment = {**os.environ, **VARIABLES}
    with log_path.open("wb") as log:
        started = time.monotonic()
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment)
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            process.wait()
            raise
        secs = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)  # For Popen, which did not see it end.
    if status:
        raise ValueError(f"{name} failed with status {process.returncode}: {reason(log_path)}")
    return Outcome(secs, usage.ru_maxrss * 1024)


def reason(log_path: pathlib.Path) -> str:
    """Returns the line that says what went wrong: ours where there is one, or else the last one."""
    said = [line.strip() for line in log_path.read_text(errors="replace").split("\n") if line.strip()]
    ours = [line.removeprefix("error: ") for line in said if line.startswith("error: ")]
    return (ours or said or ["it said nothing"])[-1]
