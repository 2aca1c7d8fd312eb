"""Which bars of a song a model hears: windows that cover it, where the last one or a short song hears bars again."""

from __future__ import annotations

import dataclasses

import numpy as np

from grooves.groove import Groove
from grooves.timing import STEPS_PER_BAR
from pipelines.generation.song import Song


@dataclasses.dataclass(frozen=True, eq=False)
class Selection:
    """The windows of some bars.

    A model hears so many bars at once. What is left of a song after its whole windows is heard together with the bars
    before it; a song that is shorter than a window is heard over and over.

    Attributes:
        heard: `[n, bars]` int64: the bars of each window.
        window: `[num_bars]` int64: in which window each bar is answered.
        place: `[num_bars]` int64: at which place of it.
    """

    heard: np.ndarray
    window: np.ndarray
    place: np.ndarray

    def cut(self, played: Groove) -> Groove:
        """Returns the windows `[n, steps, drums]` of all bars, `[num_bars * 16, drums]`."""
        return _map(lambda part: _in_bars(part)[self.heard].reshape(len(self.heard), -1, part.shape[-1]), played)

    def join(self, windows: Groove) -> Groove:
        """Returns all bars, `[num_bars * 16, drums]`, as they are in windows `[n, steps, drums]`."""

        def of_bars(part: np.ndarray) -> np.ndarray:
            in_bars = part.reshape(len(part), -1, STEPS_PER_BAR, part.shape[-1])
            return in_bars[self.window, self.place].reshape(-1, part.shape[-1])

        return _map(of_bars, windows)


def select(num_bars: int, bars_at_once: int) -> Selection:
    """Returns the windows that cover so many bars."""
    starts = np.arange(0, max(num_bars, 1), bars_at_once)
    starts = np.minimum(starts, max(0, num_bars - bars_at_once))
    heard = (starts[:, np.newaxis] + np.arange(bars_at_once)) % num_bars
    window = np.arange(num_bars) // bars_at_once
    return Selection(heard, window, np.arange(num_bars) - starts[window])


def choose(song: Song, start_bar: int | None, num_bars: int | None) -> Song:
    """Returns the bars of a song that are asked for, counted from 1, with hits; without empty bars before them.

    Args:
        song: All of its bars.
        start_bar: The first; None begins where the drums do.
        num_bars: How many; None takes all that follow.

    Raises:
        ValueError: the song has no such bars, or no hits in them.
    """
    hit_bars = song.notes.steps // STEPS_PER_BAR
    first = max(0, int(hit_bars.min())) if start_bar is None else start_bar - 1
    if first >= song.num_bars:
        length = "1 bar" if song.num_bars == 1 else f"{song.num_bars} bars"
        raise ValueError(f"has {length}, so that --start_bar={start_bar} is behind its end")
    chosen = song.bars(first, min(num_bars or song.num_bars, song.num_bars - first))
    chosen = dataclasses.replace(chosen, ends_early=num_bars is not None)
    if not (chosen.classes >= 0).any():
        where = f"bars {first + 1} to {first + chosen.num_bars}" if chosen.num_bars > 1 else f"bar {first + 1}"
        raise ValueError(f"has no hits in {where} that are in a class of the drum map; --start_bar chooses others")
    return chosen


def _in_bars(part: np.ndarray) -> np.ndarray:
    return part.reshape(-1, STEPS_PER_BAR, part.shape[-1])


def _map(change, played: Groove) -> Groove:
    parts = (change(part) for part in (played.hits, played.velocities, played.offsets))
    return Groove(*parts, qpm=played.qpm)
