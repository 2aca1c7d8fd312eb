"""Progress of long work: a bar on a terminal, a plain line now and then everywhere else."""

from __future__ import annotations

import contextlib
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

import tqdm

Item = TypeVar("Item")
PLAIN_LINE_EVERY_SECS = 10
SMOOTHING = 0.05  # Of a step's duration: half of what is told comes from the last 14 steps.
_LINE = "{desc}: {n} of {total}, {rate_noinv:.3g} a second, {remaining} left"
_BAR = "step {n_fmt} of {total_fmt} |{bar}| {desc}"
_NO_BAR = "step {n_fmt}  {desc}"


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
            line = tqdm.tqdm.format_meter(done, total, now - started, prefix=what, bar_format=_LINE)
            print(line, file=sys.stderr, flush=True)


class Steps:
    """Tells on stderr how training goes: a bar on a terminal, elsewhere lines, often at first, then every ten seconds.

    The speed is a moving average over the last steps; the time left counts pauses (checkpoints, validation) as well,
    which are taken to come as often as they did. The first step, which is slow, is no measure of the others.
    """

    def __init__(self, first_step: int, num_steps: int | None, batch_size: int) -> None:
        """Begins.

        Args:
            first_step: Steps of the run that are done already.
            num_steps: The run's last one; None is endless.
            batch_size: Examples a step, of all workers.
        """
        self._num_steps, self._batch_size = num_steps, batch_size
        self._bar = None
        if sys.stderr.isatty():
            bar_format = _BAR if num_steps else _NO_BAR
            size = shutil.get_terminal_size()  # tqdm shows nothing on terminals that do not say how large they are.
            self._bar = tqdm.tqdm(
                total=num_steps,
                initial=first_step,
                bar_format=bar_format,
                file=sys.stderr,
                ncols=size.columns - 1,
                nrows=size.lines,
            )
        self._first: tuple[int, float] | None = None  # The first step, and when it was done.
        self._latest: tuple[int, float] | None = None  # The latest step, and the training time until it was done.
        self._step_secs = tqdm.std.EMA(SMOOTHING)
        self._paused_secs = 0.0
        self._told_secs = 0.0
        self._note = ""

    def step(self, step: int, loss: float) -> None:
        """Takes note of a finished step."""
        now = time.monotonic()
        if self._first is None:
            self._first = self._latest = step, now
        elif step > self._latest[0]:  # A worker of several can be told the same step twice.
            self._step_secs((now - self._paused_secs - self._latest[1]) / (step - self._latest[0]))
            self._latest = step, now - self._paused_secs
        if self._bar is not None:
            self._bar.set_description_str("  ".join(self._describe(step, loss)), refresh=False)
            self._bar.update(step - self._bar.n)
            return
        since_first = now - self._first[1]
        if now - self._told_secs >= min(PLAIN_LINE_EVERY_SECS, max(1, since_first)) or step == self._num_steps:
            self._told_secs = now
            of_all = f" of {self._num_steps}" if self._num_steps else ""
            print("  ".join([f"step {step}{of_all}", *self._describe(step, loss)]), file=sys.stderr, flush=True)

    @contextlib.contextmanager
    def pause(self) -> Iterator[None]:
        """What takes time in between and is no training."""
        started = time.monotonic()
        yield
        if self._first is not None:
            self._paused_secs += time.monotonic() - started

    def note(self, note: str) -> None:
        """Adds something to all that is told from now on."""
        self._note = note

    def say(self, line: str) -> None:
        """Prints a line of its own."""
        if self._bar is not None:
            self._bar.write(line, file=sys.stderr)
        else:
            print(line, file=sys.stderr, flush=True)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()

    def _describe(self, step: int, loss: float) -> list[str]:
        told = [f"loss {loss:.2f}"]
        step_secs = self._step_secs()
        if step_secs > 0:
            told.append(f"{self._batch_size / step_secs:.0f} examples/s")
            if self._num_steps:
                pause_secs = self._paused_secs / (step - self._first[0])
                left_secs = (self._num_steps - step) * (step_secs + pause_secs)
                told.append(f"{tqdm.tqdm.format_interval(left_secs)} left")
        return [*told, self._note] if self._note else told
