"""A score becomes samples: its messages in time, clicks before and beside them, its tail, and loops without a seam."""

from __future__ import annotations

import concurrent.futures
import itertools
import math
import operator
import pathlib
import threading
from collections.abc import Callable, Iterator

import numpy as np

from pipelines.audio import loudness
from pipelines.audio import score as scores
from pipelines.audio import synthesizer as synthesizers
from pipelines.audio.clicks import Clicks
from pipelines.audio.score import Score
from pipelines.audio.shelf import Shelf
from pipelines.audio.synthesizer import BLOCK, Synthesizer, block_start

TAIL_LEVEL = 10 ** (-60 / 20)  # Of the peak, below which the sound has died away.
TAIL_QUIET_SECS = 0.2
MAX_TAIL_SECS = 5.0
FADE_SECS = 0.01
MIN_LOOP_SECS = 0.1
_STRETCH_SECS = 10  # Played at once between two looks at whether to stop.

Action = Callable[[Synthesizer], None]
Timeline = Iterator[tuple[int, Action]]  # Samples, and what is done then; in order.


def play(
    score: Score,
    soundfont_path: pathlib.Path,
    sample_rate_hz: int = synthesizers.SAMPLE_RATE_HZ,
    *,
    clicks: Clicks | None = None,
    loop: bool = False,
    stopped: threading.Event | None = None,
    shelf: Shelf | None = None,
) -> np.ndarray:
    """Plays a score from its first tick to its last, and on until it has died away.

    Programs, controllers and pitch bends play as they are in the file; channel 10 is the drum kit. A note starts at the
    block of 64 samples nearest to its time, at most 0.73 ms off at 44.1 kHz. The tail after the end lasts until the
    sound has stayed 60 dB below its peak for 0.2 s, 5 s at the longest. The same input gives the same samples with the
    same library.

    Args:
        score: What to play.
        soundfont_path: The soundfont to play it with.
        sample_rate_hz: Samples a second.
        clicks: What is played along. Whatever comes before the score moves it by so many samples, exactly.
        loop: Ends with the last bar, and has the tail sound over the beginning, as it does where the end is followed by
            the beginning. The file can be repeated without a gap.
        stopped: Where it is set, playing ends.
        shelf: Where the soundfont is taken from, if it lies there, and put afterwards.

    Returns:
        float32 `[samples, 2]`, left and right, as loud as FluidSynth made it.

    Raises:
        ValueError: the score is too long, too short to loop, or silent with this soundfont.
        OSError: libfluidsynth is missing.
        concurrent.futures.CancelledError: `stopped` was set.
    """
    clicks = clicks or Clicks()
    num_before = round(clicks.before_secs * sample_rate_hz)
    num_skipped = -num_before % BLOCK  # Silence in front, not returned: it has the score begin where a block does.
    start = num_skipped + num_before
    end_secs = score.bars_secs if loop else max(score.end_secs, clicks.end_secs)
    scores.check_length(score.path, clicks.before_secs + end_secs)
    end = start + block_start(end_secs, sample_rate_hz)
    timeline = _timeline(score, clicks, num_skipped, start, end, sample_rate_hz)
    num_looped = round(end_secs * sample_rate_hz)
    if loop:
        _check_loop(score, num_looped, sample_rate_hz)
        timeline = itertools.chain(timeline, _repeats(score, end_secs, sample_rate_hz))
    channels = (*score.channels, *([synthesizers.CLICK_CHANNEL] if clicks.hits else []))
    has_others = any(channel != scores.DRUM_CHANNEL for channel in score.channels)
    with Synthesizer(soundfont_path, sample_rate_hz, channels, chorus=has_others, shelf=shelf) as synthesizer:
        player = _Player(synthesizer, timeline, sample_rate_hz, end, stopped)
        samples = player.play()[num_skipped:]
    samples = _fold(samples, num_looped) if loop else samples
    if loudness.peak(samples) < loudness.SILENCE:
        raise ValueError(
            f"{score.path}: silent with {soundfont_path}, which has no sound for its programs; try another --soundfont"
        )
    return samples


class _Player:
    """Plays a timeline to its end, and on until what sounds has died away."""

    def __init__(
        self,
        synthesizer: Synthesizer,
        timeline: Timeline,
        sample_rate_hz: int,
        end: int,
        stopped: threading.Event | None,
    ) -> None:
        self._synthesizer, self._timeline, self._sample_rate_hz = synthesizer, timeline, sample_rate_hz
        self._end, self._stopped = end, stopped
        self._samples = np.zeros([end + block_start(MAX_TAIL_SECS, sample_rate_hz), 2], np.float32)
        self._next, self._action = next(timeline, (math.inf, None))
        self._done = 0

    def play(self) -> np.ndarray:
        self._write(self._end)
        loudest = loudness.peak(self._samples[: self._end])
        quiet = block_start(TAIL_QUIET_SECS, self._sample_rate_hz)
        last_loud = self._end
        while self._done < len(self._samples) and self._done - last_loud < quiet:
            level = loudness.peak(self._write(min(self._done + 16 * BLOCK, len(self._samples))))
            loudest = max(loudest, level)
            if level > loudest * TAIL_LEVEL:
                last_loud = self._done
        fade = min(round(FADE_SECS * self._sample_rate_hz), self._done - self._end)
        self._samples[self._done - fade : self._done] *= np.linspace(1, 0, fade, dtype=np.float32)[:, None]
        return self._samples[: self._done]

    def _write(self, end: int) -> np.ndarray:
        """Plays on until `end`, and returns what was played."""
        first, stretch = self._done, _STRETCH_SECS * self._sample_rate_hz
        while self._done < end:
            if self._stopped and self._stopped.is_set():
                raise concurrent.futures.CancelledError
            while self._next <= self._done:
                self._action(self._synthesizer)
                self._next, self._action = next(self._timeline, (math.inf, None))
            until = min(end, self._next, self._done + stretch)
            self._synthesizer.write(self._samples[self._done : until])
            self._done = until
        return self._samples[first:end]


def _timeline(score: Score, clicks: Clicks, num_skipped: int, start: int, end: int, sample_rate_hz: int) -> Timeline:
    """Returns what is done when: a score that begins at `start`, its clicks, and the release of all keys at `end`."""
    first = BLOCK if num_skipped else 0  # Or the first click would lose its attack.
    played: list[tuple[float, Action]] = [
        (secs, operator.methodcaller("send", message)) for secs, message in score.events
    ]
    played += [(hit.secs, operator.methodcaller("click", hit.key, hit.velocity)) for hit in clicks.hits]
    placed = ((max(first, start + block_start(secs, sample_rate_hz)), action) for secs, action in played)
    in_order = sorted((item for item in placed if item[0] <= end), key=operator.itemgetter(0))
    return iter([*in_order, (end, operator.methodcaller("release"))])


def _repeats(score: Score, loop_secs: float, sample_rate_hz: int) -> Timeline:
    """Yields a score again and again, inaudible: it cuts off what it would cut off, as a closed hi-hat the open one.

    Velocity 1 is 84 dB below 127 (SoundFont 2.04, section 8.4.1), and the same hits sound at the same time.
    """
    events = [
        (secs, message.copy(velocity=1) if scores.is_onset(message) else message)
        for secs, message in score.events
        if secs < loop_secs
    ]
    for repeat in itertools.count(1):
        for secs, message in events:
            yield block_start(repeat * loop_secs + secs, sample_rate_hz), operator.methodcaller("send", message)


def _check_loop(score: Score, num_samples: int, sample_rate_hz: int) -> None:
    if num_samples < MIN_LOOP_SECS * sample_rate_hz:
        bars = "its bar lasts" if score.num_bars == 1 else f"its {score.num_bars} bars last"
        raise ValueError(
            f"{score.path}: {bars} {1000 * num_samples / sample_rate_hz:.3g} ms, and a loop lasts"
            f" {1000 * MIN_LOOP_SECS:.0f} at least; is its tempo wrong?"
        )


def _fold(samples: np.ndarray, length: int) -> np.ndarray:
    """Returns the first `length` samples, with all that follows them added from their beginning on."""
    folded = samples[:length]
    for first in range(length, len(samples), length):
        part = samples[first : first + length]
        folded[: len(part)] += part
    return folded
