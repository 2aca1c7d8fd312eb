"""Samples → onsets: when each tap begins, to some milliseconds, and how loud it is."""

from __future__ import annotations

import dataclasses

import numpy as np

from pipelines.audio.recording import SAMPLE_RATE_HZ

MIN_GAP_SECS = 0.042  # The bursts of one hand clap are nearer to each other, double strokes are not.
MAX_RANGE_DB = 40.0  # What is quieter than the loudest tap by more is none: a breath, a chair, the next room.
BIAS_SECS = -0.0025  # From where a tap begins to where growth peaks: the median over claps, drums, knocks and mouths.

_FFT = 512  # 23 ms: strokes that are 60 ms apart stand apart.
_HOP = 64  # 2.9 ms.
_FRAMES_PER_SEC = SAMPLE_RATE_HZ / _HOP
_NUM_BANDS = 40
_CHUNK_FRAMES = 8192  # 24 s at once: the spectrogram of ten minutes would take a gigabyte.
_LEAD_SECS = 0.15  # Of rest, put before the first frame: the recording may begin with a tap.
_REST_PERCENTILE = 20  # Of a band's frames: what it is like between taps.
_REST_DB = 10.0  # Above that a band begins to count, as noise itself goes up and down by nearly as much.
_BAND_RANGE_DB = 45.0  # Nor does what is so far below the loudest of its own band,
_RANGE_DB = 75.0  # or of any band.
_MIN_GROWTH_DB = 0.45  # From one frame to the second next, the mean of the bands, above the mean of the frames around.
_PEAK_SECS = 0.023  # A peak is the highest within so much on either side.
_MEAN_SECS = 0.1
_BEFORE_SECS = (-0.022, -0.010)  # From an onset: what sounded before it, clear of the frames that hear it coming.
_AFTER_SECS = (0.004, 0.035)
_MIN_GAIN_DB = -5.0  # What a tap brings, from what sounded before; noise comes near that by itself.
# How far a tap may be below one that was so long before: the echoes of a room are not taps.
_MASK_SECS = (0.0, 0.06, 0.12, 0.3, 0.5)
_MASK_DB = (10.0, 20.0, 30.0, 34.0, MAX_RANGE_DB)
_MOST_MASKING = 12  # Taps in the longest of these times.


@dataclasses.dataclass(frozen=True)
class Onsets:
    """`secs` [n], when taps begin, in order; `levels_db` [n], how much sound each brings, 0 dB being the loudest."""

    secs: np.ndarray
    levels_db: np.ndarray


def detect(samples: np.ndarray) -> Onsets:
    """Returns the taps that are heard in float32 `[samples]` at `SAMPLE_RATE_HZ`, none in a steady noise."""
    import librosa

    power = _band_power(samples)
    rest = np.percentile(power, _REST_PERCENTILE, axis=1)[:, None]
    lead = round(_LEAD_SECS * _FRAMES_PER_SEC)
    power = np.concatenate([np.repeat(rest, lead, axis=1), power], axis=1)
    growth = librosa.onset.onset_strength(S=_decibels(power, rest), sr=SAMPLE_RATE_HZ, lag=2, center=False)
    near, around = round(_PEAK_SECS * _FRAMES_PER_SEC), round(_MEAN_SECS * _FRAMES_PER_SEC)
    frames = librosa.util.peak_pick(
        growth,
        pre_max=near,
        post_max=near,
        pre_avg=around,
        post_avg=around,
        delta=_MIN_GROWTH_DB,
        wait=round(MIN_GAP_SECS * _FRAMES_PER_SEC),
    )
    before, gained = _gains(power, frames)
    is_tap = gained > before * 10 ** (_MIN_GAIN_DB / 10)
    secs = np.maximum((frames - lead) / _FRAMES_PER_SEC - BIAS_SECS, 0.0)
    return _without_echoes(secs[is_tap], 10 * np.log10(gained[is_tap]))


def _band_power(samples: np.ndarray) -> np.ndarray:
    """Returns float32 `[bands, frames]`, the power in mel bands, as loud as ears find them (A-weighting, IEC 61672)."""
    import librosa

    # The first frame is around sample 0; mirrored, a hum has no edge there.
    padded = np.pad(samples, (_FFT // 2, max(0, _FFT // 2 - len(samples))), mode="reflect")
    starts = range(0, (len(padded) - _FFT) // _HOP + 1, _CHUNK_FRAMES)
    parts = [
        librosa.feature.melspectrogram(
            y=padded[start * _HOP : (start + _CHUNK_FRAMES - 1) * _HOP + _FFT],
            sr=SAMPLE_RATE_HZ,
            n_fft=_FFT,
            hop_length=_HOP,
            n_mels=_NUM_BANDS,
            center=False,
        )
        for start in starts
    ]
    middles_hz = librosa.mel_frequencies(_NUM_BANDS + 2, fmin=0.0, fmax=SAMPLE_RATE_HZ / 2)[1:-1]
    return np.concatenate(parts, axis=1) * 10 ** (librosa.A_weighting(middles_hz)[:, None].astype(np.float32) / 10)


def _decibels(power: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """Returns `[bands, frames]` in dB above a floor: near 0 where a band is as quiet as between taps."""
    floor = rest * 10 ** (_REST_DB / 10)
    floor = np.maximum(floor, power.max(axis=1, keepdims=True) * 10 ** (-_BAND_RANGE_DB / 10))
    floor = np.maximum(floor, power.max() * 10 ** (-_RANGE_DB / 10))
    return 10 * np.log10(1 + power / (floor + np.finfo(np.float32).tiny))


def _gains(power: np.ndarray, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the power of all bands before each onset `[n]`, and how much of it came with the onset `[n]`."""

    def mean(first_secs: float, last_secs: float) -> np.ndarray:
        first, last = round(first_secs * _FRAMES_PER_SEC), round(last_secs * _FRAMES_PER_SEC)
        columns = frames[:, None] + np.arange(first, last + 1)
        return power[:, np.clip(columns, 0, power.shape[1] - 1)].mean(axis=2)

    before = mean(*_BEFORE_SECS)
    gained = np.maximum(mean(*_AFTER_SECS) - before, 0)
    return before.sum(axis=0, dtype=np.float64), gained.sum(axis=0, dtype=np.float64)


def _without_echoes(secs: np.ndarray, levels_db: np.ndarray) -> Onsets:
    """Leaves out what is far below the loudest tap, or far below one just before it."""
    levels_db = levels_db - levels_db.max(initial=-np.inf)
    kept: list[int] = []
    for index in np.flatnonzero(levels_db > -MAX_RANGE_DB):
        earlier = [other for other in kept[-_MOST_MASKING:] if secs[index] - secs[other] < _MASK_SECS[-1]]
        heard_db = levels_db[earlier] - np.interp(secs[index] - secs[earlier], _MASK_SECS, _MASK_DB)
        if levels_db[index] > heard_db.max(initial=-np.inf):
            kept.append(int(index))
    return Onsets(secs[kept], levels_db[kept])
