"""Clicks: a bar of sticks that counts a score in, and a metronome along to it.

Both click on each beat of the metre, which is an eighth in 6/8, and louder where a bar begins.
"""

from __future__ import annotations

import dataclasses
import functools
import pathlib
from collections.abc import Sequence

import numpy as np

from pipelines.audio import loudness
from pipelines.audio import synthesizer as synthesizers
from pipelines.audio.score import Score
from pipelines.audio.synthesizer import CLICK_CHANNEL, Synthesizer

VELOCITY, ACCENT_VELOCITY = 70, 100  # Heard beside drums, without drowning them.
MIN_BEAT_SECS = 0.05  # Faster clicks are a buzz.

# Keys of General MIDI's drum kit, the best first; the last ones are in any kit.
STICKS = (37, 31, 75, 76, 42, 38)  # Side stick, GM2's sticks, claves, high wood block, closed hi-hat, snare.
METRONOME = (77, 76, 75, 33, 37, 42, 38)  # Low and high wood block, claves, GM2's metronome, and as above.
METRONOME_ACCENT = (76, 77, 75, 34, 37, 42, 38)
_PROBE_SECS = 0.05


@dataclasses.dataclass(frozen=True)
class Hit:
    secs: float  # From the score's beginning; less than 0 before it.
    key: int
    velocity: int


@dataclasses.dataclass(frozen=True)
class Clicks:
    """What is clicked to a score, and for how long before it and at least from its beginning on."""

    hits: Sequence[Hit] = ()
    before_secs: float = 0.0
    end_secs: float = 0.0


def of_score(score: Score, soundfont_path: pathlib.Path, *, count_in: bool, metronome: bool) -> Clicks:
    """Returns the clicks of a score.

    Args:
        score: What they are for.
        soundfont_path: The soundfont that plays; the clicks are of its standard kit.
        count_in: A bar before the score, in its first tempo and metre.
        metronome: On each beat of the score, to the end of its last bar.

    Raises:
        ValueError: the beats are too fast to click, or the soundfont has no kit.
    """
    hits, before_secs = [], 0.0
    if count_in:
        _check_beats(score, score.first_beat_secs, "--count_in")
        beats_per_bar = score.metres[0].beats_per_bar
        before_secs = beats_per_bar * score.first_beat_secs
        key = find_key(soundfont_path, STICKS)
        for beat in range(beats_per_bar):
            hits.append(_hit((beat - beats_per_bar) * score.first_beat_secs, beat == 0, key, key))
    if metronome:
        _check_beats(score, score.bars_secs / score.num_beats, "--click")
        key, accent_key = (find_key(soundfont_path, keys) for keys in (METRONOME, METRONOME_ACCENT))
        hits += [_hit(secs, begins_bar, key, accent_key) for secs, begins_bar in score.beats()]
    return Clicks(tuple(hits), before_secs, score.bars_secs if metronome else 0.0)


def check(soundfont_path: pathlib.Path) -> None:
    """Raises ValueError if a soundfont has nothing to click with."""
    for keys in (STICKS, METRONOME, METRONOME_ACCENT):
        find_key(soundfont_path, keys)


@functools.lru_cache
def find_key(soundfont_path: pathlib.Path, keys: Sequence[int]) -> int:
    """Returns the first of some keys that a soundfont's standard kit has a sound for.

    Raises:
        ValueError: it has no kit, or none of these sounds.
    """
    rate = synthesizers.SAMPLE_RATE_HZ
    with Synthesizer(soundfont_path, rate, (CLICK_CHANNEL,)) as synthesizer:
        samples = np.zeros([synthesizers.block_start(_PROBE_SECS, rate), 2], np.float32)
        for key in keys:
            synthesizer.click(key, ACCENT_VELOCITY)
            synthesizer.write(samples)
            if loudness.peak(samples) >= loudness.SILENCE:
                return key
    raise ValueError(f"{soundfont_path}: has no sound to click with; choose another with --soundfont")


def _hit(secs: float, begins_bar: bool, key: int, accent_key: int) -> Hit:
    return Hit(secs, accent_key, ACCENT_VELOCITY) if begins_bar else Hit(secs, key, VELOCITY)


def _check_beats(score: Score, beat_secs: float, flag: str) -> None:
    if beat_secs < MIN_BEAT_SECS:
        raise ValueError(
            f"{score.path}: its beats are {1000 * beat_secs:.2g} ms apart, too fast to click along"
            f" ({1000 * MIN_BEAT_SECS:.0f} ms at least); leave out {flag}"
        )
