"""Progress of long work: a bar on a terminal, a plain line now and then everywhere else."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

import tqdm

Item = TypeVar("Item")
PLAIN_LINE_EVERY_SECS = 10


def track(items: Iterable[Item], total: int, what: str) -> Iterator[Item]:
    """Yields `items`, telling on stderr how many of `total` are done, how fast, and how long the rest will take.

    Args:
        items: What to go through.
        total: How many there are.
        what: Their name, in the plural.
    """
    if sys.stderr.isatty():
        yield from tqdm.tqdm(items, total=total, desc=what, unit=f" {what}", leave=False)
        return
    started = last = time.monotonic()
    for done, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if now - last > PLAIN_LINE_EVERY_SECS:
            last = now
            rate = done / (now - started)
            left_secs = max(0, total - done) / rate
            print(
                f"{what}: {done} of {total}, {rate:.3g} a second, {left_secs:.0f} s left", file=sys.stderr, flush=True
            )
