"""A recording of tapping or beatboxing → when each tap comes and how loud it is, on bars of a tempo.

taps.read("taps.wav")            # finds the tempo
taps.read("taps.wav", qpm=100)   # tapped to a metronome
"""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING

import numpy as np

from grooves import timing
from pipelines.audio import onsets, recording, tempo

if TYPE_CHECKING:
    from pipelines.audio.tempo import Pulse

MIN_VELOCITY = 10 ** (-onsets.MAX_RANGE_DB / 40)  # 0.1: what is quieter is no tap.
_LOUD_PERCENTILE = 90
_HEADROOM_DB = 6.0


@dataclasses.dataclass(frozen=True)
class Taps:
    """What was tapped.

    Attributes:
        start_secs: float64 `[n]`, from the first beat of the first bar on, at a steady tempo of `qpm`. In order.
        velocities: float64 `[n]`, `MIN_VELOCITY` to 1.
        qpm: The tempo, quarters a minute.
        is_estimated: Whether the tempo was found in the recording, and not given.
        first_secs: Where in the recording the first tap is.
        recording_secs: How long the recording is.
        peak_dbfs: How loud its loudest sound is; 0 is full scale.
        pulse: What was found of the tempo: how far it drifted, which other one it might be.
    """

    start_secs: np.ndarray
    velocities: np.ndarray
    qpm: float
    is_estimated: bool
    first_secs: float
    recording_secs: float
    peak_dbfs: float
    pulse: Pulse

    @property
    def num_bars(self) -> int:
        """How many bars the taps are in, to the last one's nearest sixteenth."""
        last = timing.nearest_steps(self.start_secs[-1], self.qpm)
        return timing.bar_after(last) // timing.STEPS_PER_BAR


def read(path: str | os.PathLike[str], qpm: float | None = None) -> Taps:
    """Hears the taps in a recording: WAV, FLAC, OGG or MP3, of ten minutes at most.

    The first tap is taken to be on the first beat of the first bar: tap beat one first. A tempo that drifts is
    followed and made steady, so that taps stay on the sixteenth that they were meant for; what each is off stays.

    Args:
        path: The recording, mono or not, at any sample rate, with silence and noise of a room before and between taps.
        qpm: The tempo that was meant. None finds one from 60 to 200, and from 80 to 160 where its half or double
            would do as well.

    Raises:
        FileNotFoundError, IsADirectoryError: there is no such file.
        ValueError: it is not audio, damaged, too long, silent, or without taps; `qpm` is no tempo; or a tempo is to be
            told from a single tap.
    """
    if qpm is not None:
        tempo.check(qpm)
    samples = recording.read(path)
    peak_dbfs = recording.peak_dbfs(samples)
    found = onsets.detect(samples)
    if not len(found.secs):
        raise ValueError(
            f"{path}: no taps found; the loudest sound is at {peak_dbfs:.0f} dBFS, but nothing in it begins suddenly"
            "\n  tap on something hard, near to the microphone, and record again"
        )
    if len(found.secs) == 1 and qpm is None:
        raise ValueError(
            f"{path}: only one tap was heard, at {found.secs[0]:.2f} s, and a tempo cannot be told from one"
            "\n  say the tempo with --qpm, or record more taps, none of them 40 dB quieter than the loudest"
        )
    pulse = tempo.find(found.secs, found.levels_db, qpm)
    return Taps(
        start_secs=pulse.start_secs,
        velocities=velocities(found.levels_db),
        qpm=pulse.qpm,
        is_estimated=qpm is None,
        first_secs=float(found.secs[0]),
        recording_secs=len(samples) / recording.SAMPLE_RATE_HZ,
        peak_dbfs=peak_dbfs,
        pulse=pulse,
    )


def velocities(levels_db: np.ndarray) -> np.ndarray:
    """Returns velocities `[n]` of levels `[n]`: 10 ** (dB / 40), with 1 for the loudest, and `MIN_VELOCITY` at least.

    Synthesizers play velocity v at 40 log10(v) dB, as the General MIDI guidelines recommend; this turns it round. One
    tap far louder than all others does not make those quiet: 1 is at most 6 dB above what nine of ten stay below.
    """
    loudest = min(levels_db.max(), np.percentile(levels_db, _LOUD_PERCENTILE) + _HEADROOM_DB)
    return np.clip(10 ** ((levels_db - loudest) / 40), MIN_VELOCITY, 1.0)
