"""Loudness: sound is evened to one level in LUFS (ITU-R BS.1770-4, by pyloudnorm), by one gain and without clipping.

The gain is the same from beginning to end: what is played softer and louder stays so. Where a peak would pass the
ceiling, the sound is as loud as the ceiling lets it be. No limiter takes it further: that would hold down the accents
alone, which drums are played for.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
import math
import types
from collections.abc import Iterable
from typing import Any

import numpy as np

LUFS = -23.0  # EBU R 128's programme level. Nine in ten outputs reach it below the ceiling (docs/experiments.md).
MIN_LUFS, MAX_LUFS = -60.0, 0.0
CEILING_DBFS = -1.0  # Between samples, peaks of drums are up to 0.8 dB higher: below full scale.
CEILING = 10 ** (CEILING_DBFS / 20)
SILENCE = 1e-5  # A peak below this (-100 dBFS) is nothing that a soundfont played.
SHORT_LU = 0.1  # Less than this is no difference to speak of.

_BLOCK_SECS = 0.4  # BS.1770-4's gating block.
_GATE_LUFS = -70.0  # Blocks below do not count, nor those so far below the mean of the others:
_RELATIVE_GATE_LU = -10.0
_MAX_ROUNDS = 8
_PIECE = 1 << 16  # Samples that fit into a core's cache.


@dataclasses.dataclass(frozen=True)
class Level:
    lufs: float
    peak_dbfs: float  # Of samples.


def check() -> None:
    """Raises OSError if pyloudnorm is not installed; does not import it."""
    if importlib.util.find_spec("pyloudnorm") is None:
        raise OSError("pyloudnorm is not installed: pip install pyloudnorm")


@functools.cache
def library() -> types.ModuleType:
    """Returns pyloudnorm, imported when it is first needed: it brings scipy.signal, which takes most of a second."""
    check()
    import pyloudnorm

    return pyloudnorm


def even(samples: np.ndarray, sample_rate_hz: int, lufs: float = LUFS) -> Level:
    """Evens the loudness of a sound, in place.

    Args:
        samples: float32 `[samples, 2]`; not all 0.
        sample_rate_hz: Samples a second.
        lufs: The loudness to reach. A sound whose peaks are in the way ends at `CEILING`, softer than this.

    Returns:
        What the sound is like now.
    """
    blocks = block_loudness(samples, sample_rate_hz)
    gain_db = highest_db = CEILING_DBFS - 20 * math.log10(peak(samples))
    for _ in range(_MAX_ROUNDS):  # Blocks that pass the gate on the way, up or down, change what is measured.
        missing_db = lufs - integrate(blocks + gain_db)
        gain_db = min(gain_db + missing_db, highest_db)
    samples *= np.float32(10 ** (gain_db / 20))
    return Level(integrate(blocks + gain_db), 20 * math.log10(peak(samples)))


def measure(samples: np.ndarray, sample_rate_hz: int) -> float:
    """Returns the integrated loudness of a sound `[samples, 2]` in LUFS; -inf of silence."""
    return integrate(block_loudness(samples, sample_rate_hz))


def block_loudness(samples: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    """Returns the loudness in LUFS of each block of 400 ms, of which one begins every 100 ms.

    A sound that is shorter than a block counts as one with silence after it.
    """
    num_missing = int(np.ceil(_BLOCK_SECS * sample_rate_hz)) - len(samples)
    # Its "DeMan" filters are the standard's; its usual ones measure 0.04 LU less.
    meter = library().Meter(sample_rate_hz, filter_class="DeMan", block_size=_BLOCK_SECS)
    meter._filters = {"K-weighting": _InOne(meter._filters.values())}  # As its README has one's own filters set.
    powers = 0.0
    for channel in samples.T:  # One at a time, which takes half the time and memory of both at once.
        meter.integrated_loudness(np.pad(channel, (0, max(0, num_missing))))
        powers = powers + 10 ** (np.array(meter.blockwise_loudness) / 10)
    with np.errstate(divide="ignore"):
        return 10 * np.log10(powers)


def integrate(blocks: np.ndarray) -> float:
    """Returns a sound's loudness by that of its blocks: their mean, gated twice (BS.1770-4, annex 1, formula 7)."""
    powers = 10 ** (blocks[blocks >= _GATE_LUFS] / 10)
    if not len(powers):
        return -math.inf
    return 10 * math.log10(powers[powers > powers.mean() * 10 ** (_RELATIVE_GATE_LU / 10)].mean())


def peak(samples: np.ndarray) -> float:
    """Returns how far samples are from zero at most, without a copy of them; 0 if there are none."""
    return float(max(samples.max(initial=0.0), -samples.min(initial=0.0)))


class _InOne:
    """Filters of pyloudnorm in one, applied in place and piece by piece: the same in half the time and memory."""

    def __init__(self, filters: Iterable[Any]) -> None:
        filters = list(filters)
        self._b = functools.reduce(np.convolve, (stage.b for stage in filters))
        self._a = functools.reduce(np.convolve, (stage.a for stage in filters))

    def apply_filter(self, channel: np.ndarray) -> np.ndarray:
        import scipy.signal

        state = np.zeros(len(self._a) - 1)
        for first in range(0, len(channel), _PIECE):
            piece = channel[first : first + _PIECE]  # Of a copy that the meter has made.
            piece[:], state = scipy.signal.lfilter(self._b, self._a, piece, zi=state)
        return channel
