"""Stages as processes, one after the other; while one works, those after it import what they will need."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence

_AWAITS_ITS_TURN = "PIPELINES_STAGE_AWAITS_ITS_TURN"


def run(*stages: Sequence[str]) -> None:
    """Runs `python -m pipelines.STAGE FLAGS…` for each stage, in the caller's folder, until one fails.

    Ctrl-C reaches the stage that works, which ends in its own way; SIGTERM is handed on to it.

    Args:
        *stages: The name of each, and its flags. Those after the first call `await_turn` before they work.

    Raises:
        SystemExit: one failed and has said why itself; carries its exit status.
    """
    sys.stdout.flush()
    working, waiting, has_ended = _start(stages[0]), [], False
    handlers = {
        signal.SIGINT: signal.signal(signal.SIGINT, signal.SIG_IGN),
        signal.SIGTERM: signal.signal(signal.SIGTERM, lambda *_: working.terminate()),
    }
    try:
        waiting += [_start(stage, waits=True) for stage in stages[1:]]  # Which ignore Ctrl-C, as we do now.
        status = working.wait()
        while waiting and not status:
            working = waiting.pop(0)
            has_ended = working.poll() is not None
            with contextlib.suppress(BrokenPipeError):  # It has ended; its status says why.
                working.stdin.write(b"\n")
                working.stdin.close()
            status = working.wait()
    finally:
        for process in waiting:
            process.terminate()
            process.wait()
        for number, handler in handlers.items():
            signal.signal(number, handler)
    name = f"pipelines.{stages[-1 - len(waiting)][0]}"
    if status < 0:
        ended = f"error: {name} was ended by {signal.Signals(-status).name}"
        print("interrupted" if -status == signal.SIGINT else ended, file=sys.stderr)
        status = 128 - status  # As shells report it.
    elif status and has_ended:
        print(f"error: {name} could not begin; it has said above why", file=sys.stderr)
    if status:
        sys.exit(status)


def await_turn(prepare: Callable[[], object]) -> None:
    """Returns at once, or, in a process that was started before its turn, when that comes.

    Where it does not come, because a stage before this one failed, the process ends here.

    Args:
        prepare: Called while waiting.
    """
    if not os.environ.pop(_AWAITS_ITS_TURN, None):
        return
    with contextlib.suppress(OSError):  # What is missing, the stage says itself.
        prepare()
    if not sys.stdin.readline():
        sys.exit(0)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _start(stage: Sequence[str], waits: bool = False) -> subprocess.Popen:
    name, *stage_flags = stage
    return subprocess.Popen(
        [sys.executable, "-m", f"pipelines.{name}", *stage_flags],
        stdin=subprocess.PIPE if waits else None,
        env={**os.environ, _AWAITS_ITS_TURN: "1"} if waits else None,
    )
