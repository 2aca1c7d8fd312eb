"""Work on many items in processes of their own: all cores, in order, and what kills a process costs one item only."""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import dataclasses
import importlib
import itertools
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from multiprocessing import resource_tracker
from typing import Any, Generic, TypeVar

import pebble

Item = TypeVar("Item")
_starting = threading.Lock()
CHUNKS_AHEAD = 4  # A worker: enough that none waits, few enough that memory stays flat.


@dataclasses.dataclass(frozen=True)
class Outcome(Generic[Item]):
    """What became of an item: a result, or, where its process died or took too long, the reason."""

    item: Item
    result: Any = None
    failed: str = ""


class Pool:
    """Worker processes, to be used in a `with` statement.

    Args:
        num_workers: Processes; None is one a core.
        timeout_secs: For an item, and for a chunk at first.
        preload: Modules that a worker imports before its first item; their time does not count.
    """

    def __init__(self, num_workers: int | None = None, timeout_secs: float = 60, preload: tuple[str, ...] = ()) -> None:
        self._num_workers = num_workers or os.cpu_count() or 1
        self._timeout_secs = timeout_secs
        self._pool = pebble.ProcessPool(
            self._num_workers,
            context=multiprocessing.get_context("spawn"),  # A fork of a process that has threads may hang.
            initializer=_import_all,
            initargs=(preload,),
        )
        self._processes: list[multiprocessing.process.BaseProcess] = []

    def __enter__(self) -> Pool:
        try:
            with _starting, _interrupts_waiting():
                before = multiprocessing.active_children()
                _ = self._pool.active  # Starts threads and processes.
                self._processes = [child for child in multiprocessing.active_children() if child not in before]
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_) -> None:
        self._pool.stop()
        for process in self._processes:
            process.kill()  # Or one that is just starting would stumble, aloud, over what the next line takes away.
        self._pool.join()

    def run(
        self, function: Callable[[Item], Any], items: Iterable[Item], chunk_size: int = 16
    ) -> Iterator[Outcome[Item]]:
        """Applies a function to items.

        Items travel in chunks. A chunk that kills its worker or takes too long is gone through again item by item,
        so that only the culprit is lost. At most a few chunks a worker are on their way: memory does not grow with
        the number of items.

        Args:
            function: A module's function that raises nothing; items and results are pickled.
            items: What to apply it to; consumed as the work goes on.
            chunk_size: Items that travel together.

        Yields:
            An `Outcome` for each item, in the order of the items.
        """
        waiting = collections.deque()
        chunks = _chunks(items, chunk_size)
        while True:
            for chunk in itertools.islice(chunks, self._num_workers * CHUNKS_AHEAD - len(waiting)):
                waiting.append((chunk, self._submit(function, chunk)))
            if not waiting:
                return
            chunk, future = waiting.popleft()
            try:
                outcomes = [Outcome(item, result) for item, result in zip(chunk, future.result(), strict=True)]
            except (pebble.ProcessExpired, concurrent.futures.TimeoutError):
                outcomes = [self._apply_alone(function, item) for item in chunk]
            yield from outcomes

    def _submit(self, function: Callable, chunk: list) -> concurrent.futures.Future:
        return self._pool.schedule(_apply, (function, chunk), timeout=self._timeout_secs)

    def _apply_alone(self, function: Callable, item: Item) -> Outcome[Item]:
        try:
            return Outcome(item, self._submit(function, [item]).result()[0])
        except concurrent.futures.TimeoutError:
            return Outcome(item, failed=f"takes longer than {self._timeout_secs:g} s")
        except pebble.ProcessExpired as error:
            return Outcome(item, failed=f"crashes the process that reads it (exit status {error.exitcode})")


@contextlib.contextmanager
def _interrupts_waiting() -> Iterator[None]:
    """Lets Ctrl-C wait until the end of the block.

    It reaches all processes of a terminal; threads and processes that are started in the block inherit that it is none
    of theirs.
    """
    came = []
    is_main_thread = threading.current_thread() is threading.main_thread()
    resource_tracker.ensure_running()  # Or the first process to start would start it, and unblock the signal.
    # Blocked here, the signal goes to other threads, such as those of NumPy, and Python still handles it here.
    before = signal.signal(signal.SIGINT, lambda *_: came.append(True)) if is_main_thread else None
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        if is_main_thread:
            signal.signal(signal.SIGINT, before)
    if came:
        signal.raise_signal(signal.SIGINT)


def _chunks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    remaining = iter(items)
    while chunk := list(itertools.islice(remaining, size)):
        yield chunk


def _apply(function: Callable[[Item], Any], chunk: list[Item]) -> list[Any]:
    return [function(item) for item in chunk]


def _import_all(names: Iterable[str]) -> None:
    for name in names:
        importlib.import_module(name)
