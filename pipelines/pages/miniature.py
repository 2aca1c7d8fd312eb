"""A groove in miniature, where a picture would be too large: how loud each drum is on each sixteenth of its bars."""

from __future__ import annotations

import bisect
import dataclasses
from collections.abc import Mapping

import numpy as np

from pipelines.pages import notes
from pipelines.pages.notes import Score

LEVELS = ("soft", "middle", "loud")  # Thirds of the loudest.
_MARK = 0.84  # Of the sixteenth and of the row that a mark is in.


@dataclasses.dataclass(frozen=True)
class Miniature:
    """An SVG of `width` by `height` units, sixteenths by rows: the `d` of a path for each level that has marks."""

    width: int
    height: int
    paths: Mapping[str, str]


def make(score: Score) -> Miniature:
    """Returns a score in miniature: its bars above one another, the loudest of them in full shade."""
    loudness = average(score)
    height, width = loudness.shape
    found: dict[str, list[str]] = {level: [] for level in LEVELS}
    for row, step in np.argwhere(loudness > 0):
        level = LEVELS[min(int(loudness[row, step] / loudness.max() * len(LEVELS)), len(LEVELS) - 1)]
        x, y = (at + (1 - _MARK) / 2 for at in (step, height - 1 - row))
        found[level].append(f"M{x:.2f} {y:.2f}h{_MARK}v{_MARK}h-{_MARK}z")
    return Miniature(width, height, {level: "".join(marks) for level, marks in found.items() if marks})


def average(score: Score) -> np.ndarray:
    """Returns the mean velocity over a score's bars, `[rows, sixteenths of its longest bar]`, in [0, 1]."""
    row = {label: index for index, label in enumerate(notes.rows(score))}
    bar_steps = [bisect.bisect_left(score.step_secs, secs) for secs in score.bar_secs]
    steps_per_bar = max(1, *np.diff(bar_steps))
    total = np.zeros([len(row), steps_per_bar])
    for note in score.notes:
        step = _nearest(score.step_secs, note.start_secs)
        bar = bisect.bisect_right(bar_steps, step) - 1
        total[row[notes.row_of(note)], (step - bar_steps[bar]) % steps_per_bar] += note.velocity / 127
    return total / score.num_bars


def _nearest(step_secs: tuple[float, ...], secs: float) -> int:
    after = min(bisect.bisect_left(step_secs, secs), len(step_secs) - 1)
    return after if after == 0 or step_secs[after] - secs <= secs - step_secs[after - 1] else after - 1
