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
    """Yields `items`, telling on stderr how many of `total` are done; `what` names them, in the plural."""
    if sys.stderr.isatty():
        yield from tqdm.tqdm(items, total=total, desc=what, unit="", leave=False)
        return
    last = time.monotonic()
    for done, item in enumerate(items, start=1):
        yield item
        if time.monotonic() - last > PLAIN_LINE_EVERY_SECS:
            print(f"{what}: {done} of {total}", file=sys.stderr, flush=True)
            last = time.monotonic()
