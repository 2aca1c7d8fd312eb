"""Time on the grid: a step is a sixteenth, a bar is in 4/4, a window is four bars; seconds and milliseconds of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from note_seq import NoteSequence

QPM = 120.0  # The tempo of a NoteSequence that says none, and the one that Magenta's converters write.
STEPS_PER_QUARTER = 4
STEPS_PER_BAR = 16
BARS = 4  # Of a window.
STEPS = BARS * STEPS_PER_BAR
_OFFSETS_PER_STEP = 2  # An offset of 1 is half a step.
_ROUND = 0.5  # note_seq.sequences_lib.QUANTIZE_CUTOFF: to the nearest step, halves up.


def qpm_of(sequence: NoteSequence) -> float:
    """Returns the tempo at the beginning, quarters a minute."""
    return sequence.tempos[0].qpm if sequence.tempos else QPM


def bar_after(step: int) -> int:
    """Returns the first step of the bar after the one that `step` is in."""
    return (int(step) // STEPS_PER_BAR + 1) * STEPS_PER_BAR


def steps_to_secs(
    steps: np.ndarray | int, qpm: float, steps_per_quarter: int = STEPS_PER_QUARTER
) -> np.ndarray | float:
    """Returns the time at which steps begin, or how long so many of them last, in seconds."""
    return steps * 60 / qpm / steps_per_quarter


def steps_to_ms(steps: np.ndarray | int, qpm: float) -> np.ndarray | float:
    """Returns how long steps last, in milliseconds."""
    return steps * 60_000 / qpm / STEPS_PER_QUARTER


def nearest_steps(secs: np.ndarray | float, qpm: float, steps_per_quarter: int = STEPS_PER_QUARTER) -> np.ndarray:
    """Returns the steps, int64, that times in seconds are nearest to, as note-seq's `quantize_to_step`."""
    return np.int64(secs * (steps_per_quarter * qpm / 60.0) + _ROUND)


def offsets_of(
    secs: np.ndarray, steps: np.ndarray, qpm: float, steps_per_quarter: int = STEPS_PER_QUARTER
) -> np.ndarray:
    """Returns how far times `[n]` in seconds are from their steps `[n]`, 1 for half a step early, -1 for late."""
    step_secs = steps_to_secs(1, qpm, steps_per_quarter)
    return (step_secs * steps - secs) / step_secs * _OFFSETS_PER_STEP


def offsets_to_ms(offsets: np.ndarray, qpm: np.ndarray | float) -> np.ndarray:
    """Returns offsets `[steps, drums]` at one tempo, or `[n, steps, drums]` at one or at `[n]`, in milliseconds."""
    ms_per_offset = np.asarray(60_000 / qpm / STEPS_PER_QUARTER / _OFFSETS_PER_STEP)
    return offsets * ms_per_offset.reshape(ms_per_offset.shape + (1,) * (offsets.ndim - ms_per_offset.ndim))
