"""Loudness: sound is evened to one level in LUFS (ITU-R BS.1770-4, by pyloudnorm), by one gain and without clipping.

The gain is the same from beginning to end: what is played softer and louder stays so. Where a peak would pass the
ceiling, the sound is as loud as the ceiling lets it be. No limiter takes it further: that would hold down the accents
alone, which drums are played for.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
import types
from collections.abc import Iterable
from typing import Any

import numpy as np

LUFS = -23.0  # EBU R 128's programme level. 95 % of drum performances reach it below the ceiling (docs/experiments.md).
MIN_LUFS, MAX_LUFS = -60.0, 0.0
CEILING_DBFS = -1.0  # Between samples, peaks of drums are up to 0.8 dB higher: below full scale.
CEILING = 10 ** (CEILING_DBFS / 20)
SILENCE = 1e-5  # A peak below this (-100 dBFS) is nothing that a soundfont played.
SHORT_LU = 0.1  # Less than this is no difference to speak of.

_BLOCK_SECS = 0.4  # BS.1770-4's gating block.
_GATE_LUFS = -70.0  # Blocks below do not count.
_MAX_ROUNDS = 4
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
    samples *= CEILING / np.float32(peak(samples))
    measured, blocks = measure(samples, sample_rate_hz)
    for _ in range(_MAX_ROUNDS):
        gain_db = lufs - measured
        if gain_db >= 0:
            break
        samples *= np.float32(10 ** (gain_db / 20))
        if not np.any((blocks >= _GATE_LUFS) & (blocks < _GATE_LUFS - gain_db)):
            measured = lufs
            break
        measured, blocks = measure(samples, sample_rate_hz)  # Blocks that are now below the gate count no more.
    return Level(measured, 20 * float(np.log10(peak(samples))))


def measure(samples: np.ndarray, sample_rate_hz: int) -> tuple[float, np.ndarray]:
    """Returns the integrated loudness of a sound in LUFS, and that of each block of 400 ms.

    A sound that is shorter than a block counts as one with silence after it. Silence has -inf.
    """
    num_missing = int(np.ceil(_BLOCK_SECS * sample_rate_hz)) - len(samples)
    if num_missing > 0:
        samples = np.pad(samples, ((0, num_missing), (0, 0)))
    # Its "DeMan" filters are the standard's; its usual ones measure 0.04 LU less.
    meter = library().Meter(sample_rate_hz, filter_class="DeMan", block_size=_BLOCK_SECS)
    meter._filters = {"K-weighting": _InOne(meter._filters.values())}  # As its README has one's own filters set.
    return float(meter.integrated_loudness(samples)), np.array(meter.blockwise_loudness)


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
