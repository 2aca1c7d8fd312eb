"""A command as a process of its own that ends in time: at its limit it is asked to, and shortly after made to."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence

from benchmarks import command as commands

GRACE_SECS = 20  # For writing a checkpoint.


@dataclasses.dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
        status: As shells report it; a negative one is the signal that killed it.
        secs: From its start to its end.
        is_late: Whether its time was up.
    """

    status: int
    secs: float
    is_late: bool


def run(
    command: Sequence[str],
    log_path: pathlib.Path,
    limit_secs: float,
    environment: Mapping[str, str] | None = None,
) -> Ended:
    """Runs a command, with all processes that it starts, for so long at most; both of its outputs go to `log_path`.

    At the limit it gets what Ctrl-C sends, and `GRACE_SECS` later it is killed; an exception here kills it at once.
    """
    variables = {**os.environ, **commands.VARIABLES, **(environment or {})}
    with log_path.open("wb") as log:
        started = time.monotonic()
        process = subprocess.Popen(
            command,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=variables,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        is_late = False
        try:
            try:
                process.wait(limit_secs)
            except subprocess.TimeoutExpired:
                is_late = True
                _send(process, signal.SIGINT)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(GRACE_SECS)
        finally:
            _send(process, signal.SIGKILL)
            process.wait()
    return Ended(process.returncode, time.monotonic() - started, is_late)


def _send(process: subprocess.Popen, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
