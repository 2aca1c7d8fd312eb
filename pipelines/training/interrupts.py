"""Signals that wait: the first one is noted, and acted on where that does no harm; a second one ends at once."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Iterator


class Stop:
    """Whether the end was asked for.

    Attributes:
        number: Of the signal that did; None until then.
    """

    number: int | None = None

    def is_asked_for(self) -> bool:
        return self.number is not None

    @property
    def status(self) -> int:
        """The exit status that shells expect after this signal; 0 without one."""
        return 128 + self.number if self.number else 0


@contextlib.contextmanager
def deferred() -> Iterator[Stop]:
    """Yields what says whether a signal has come; whoever gets it looks there often.

    Outside of the main thread, as in some notebooks, signals stay as they are.
    """
    stop = Stop()
    previous = {}

    def note(number: int, _frame) -> None:
        stop.number = number
        for each in previous:
            signal.signal(each, signal.SIG_DFL)  # A second one need not wait for a long operation to return.
        print("stopping; a second signal ends at once", file=sys.stderr, flush=True)

    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            previous[number] = signal.signal(number, note)
    except ValueError:
        previous.clear()
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
