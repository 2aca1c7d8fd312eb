"""Onsets → the tempo and the bars they were played in: which sixteenth each tap is meant to be on.

Many tempos are followed through the taps at once, each with even and with swung sixteenths, by a Kalman filter that
knows where the next sixteenth should be and how long one lasts. The tempo that explains best when taps come, which
sixteenths of the bar have any, and how loud those are, is the one.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from grooves import timing

MIN_QPM, MAX_QPM = 60.0, 200.0  # Tempos that are looked for.
USUAL_QPM = (78.0, 164.0)  # An octave from 80 to 160, and a little: neither end of it is on the edge.
MIN_GIVEN_QPM, MAX_GIVEN_QPM = 20.0, 400.0

_STEPS = timing.STEPS_PER_QUARTER
_TEMPO_RATIO = 1.01  # From one tempo to the next that is followed.
_SAME_TEMPO = 0.04  # Tempos that differ by less, as a share, are one.
_GIVEN_RATIO_SD = 0.02  # How far people are from the tempo that they say.
_PRIOR_QPM, _PRIOR_OCTAVES = 113.0, 0.6
_TAP_SD_SECS = 0.016  # Of a tap from where it was meant; 10 to 15 ms are usual.
_DRIFT = 0.005  # Of the tempo from bar to bar, as a share of it.
_STRAY_CHANCE = 0.05  # Of a tap to be on no sixteenth: a flam, the second of a double stroke, a noise.
_DRIFT_WINDOW_SECS = 4.0
_OCTAVE_MARGIN = (5.0, 0.8)  # Nats, in all and for each tap, that taps must speak for an unusual tempo.

# Where the four sixteenths of a beat are, in sixteenths: even, swung eighths (lightly, as triplets), swung sixteenths.
_GRIDS = np.array([[0, 1, 2, 3], [0, 1, 7 / 3, 3], [0, np.inf, 8 / 3, np.inf], [0, 1.2, 2, 3.2], [0, 4 / 3, 2, 10 / 3]])
_GRID_NATS = np.array([0, -2.5, -2.5, -2.5, -3])
# Of the sixteenths of a beat: the beta distribution of how often one has a tap, and by how much that is louder.
_TAPPED = np.array([[0.7, 0.35], [0.2, 0.6], [0.4, 0.5], [0.2, 0.6]])
_ACCENT_DB = np.array([1.5, -1.5, 0.0, -1.5])
_ACCENT_SD_DB, _LEVEL_SD_DB = 6.0, 3.5  # Of a sixteenth of the bar from that; of a tap from its sixteenth.
_ACCENT_WEIGHT = 0.5


@dataclasses.dataclass(frozen=True)
class Pulse:
    """The tempo of some taps, and when they would have come had it been steady.

    Attributes:
        qpm: The tempo, quarters a minute: the one that was given, or the one that was found.
        played_qpm: The tempo that was played, which differs from a given one a little.
        other_qpm: The tempo that explains the taps next best; None where one was given.
        start_secs: `[n]` from the first beat of the first bar on, with a steady tempo of `qpm`; 0 at least.
        drift_secs: How far the taps went from a steady tempo at most.
        num_strays: How many taps are more likely on no sixteenth than on one.
    """

    qpm: float
    played_qpm: float
    other_qpm: float | None
    start_secs: np.ndarray
    drift_secs: float
    num_strays: int


def find(secs: np.ndarray, levels_db: np.ndarray, qpm: float | None = None) -> Pulse:
    """Finds the tempo of taps, the first of which is on the first beat of the first bar.

    A tempo from 60 to 200 qpm is found; where its half or double explains when the taps come nearly as well, the one
    from 80 to 160 is taken. A tempo that drifts is followed.

    Args:
        secs: `[n]`, when taps begin, in order.
        levels_db: `[n]`, how loud they are, 0 dB being the loudest.
        qpm: The tempo that was meant; what was played may be some percent off. None looks for one.

    Raises:
        ValueError: there is no tap, a single one without `qpm`, or `qpm` is no tempo.
    """
    if qpm is not None:
        check(qpm)
    if len(secs) < (1 if qpm else 2):
        raise ValueError("a tempo cannot be told from a single tap; say it with --qpm")
    if len(secs) == 1:
        return Pulse(float(qpm), float(qpm), None, np.zeros(1), 0.0, 0)
    tempos, prior = _tempos(qpm)
    tempos = np.repeat(tempos, len(_GRIDS))
    grids = np.tile(np.arange(len(_GRIDS)), len(tempos) // len(_GRIDS))
    tracks = _follow(secs, tempos, _GRIDS[grids])
    evidence = tracks.timing + _rhythm(tracks.steps) + _ACCENT_WEIGHT * _accents(tracks.steps, levels_db)
    evidence += np.repeat(prior, len(_GRIDS)) + _GRID_NATS[grids]
    best = int(evidence.argmax())
    other_qpm = None
    if qpm is None:
        best = _in_usual_octave(best, tracks, evidence, len(secs))
        elsewhere = np.abs(np.log(tracks.qpm / tracks.qpm[best])) > _SAME_TEMPO
        other_qpm = float(tracks.qpm[np.where(elsewhere, evidence, -np.inf).argmax()])
    return _straighten(secs, tracks.positions[best], tracks.belief[best], qpm, other_qpm)


def check(qpm: float) -> None:
    """Raises ValueError unless this can be a tempo."""
    if not MIN_GIVEN_QPM <= qpm <= MAX_GIVEN_QPM:  # Nor is NaN.
        raise ValueError(f"--qpm={qpm:g}: a tempo is from {MIN_GIVEN_QPM:.0f} to {MAX_GIVEN_QPM:.0f} quarters a minute")


@dataclasses.dataclass(frozen=True)
class _Tracks:
    """Tempos followed through taps: `positions` [h, n] in steps, swing included; `steps` [h, n] as whole numbers;
    `belief` [h, n] that a tap is on its step; `timing` [h], the log density of the taps' times; `qpm` [h] at the end.
    """

    positions: np.ndarray
    steps: np.ndarray
    belief: np.ndarray
    timing: np.ndarray
    qpm: np.ndarray


def _tempos(qpm: float | None) -> tuple[np.ndarray, np.ndarray]:
    """Returns the tempos to follow `[h]` and how likely each is before anything is heard `[h]`, in nats."""
    spread = np.log(_TEMPO_RATIO)
    if qpm is None:
        tempos = np.exp(np.arange(np.log(MIN_QPM), np.log(MAX_QPM) + spread, spread))
        return tempos, -0.5 * (np.log2(tempos / _PRIOR_QPM) / _PRIOR_OCTAVES) ** 2
    ratios = spread * np.arange(-5, 6)
    return qpm * np.exp(ratios), -0.5 * (ratios / _GIVEN_RATIO_SD) ** 2


def _follow(secs: np.ndarray, tempos: np.ndarray, grids: np.ndarray) -> _Tracks:
    """Follows tempos `[h]` with the grids `[h, 4]` through taps `[n]`.

    The state is when a step begins and how long steps last, with their covariance; the length takes a random walk.
    """
    grids = np.concatenate([grids, np.full((len(grids), 1), _STEPS)], axis=1)  # The next beat.
    rows = np.arange(len(tempos))
    start, length = np.full(len(tempos), secs[0]), timing.steps_to_secs(1, tempos)
    start_var = np.full(len(tempos), _TAP_SD_SECS**2)
    both, length_var = np.zeros(len(tempos)), (length * np.log(_TEMPO_RATIO)) ** 2
    positions, belief = np.zeros([len(tempos), len(secs)]), np.ones([len(tempos), len(secs)])
    steps = np.zeros(positions.shape, np.int64)
    density = np.zeros(len(tempos))
    for tap in range(1, len(secs)):
        last = positions[:, tap - 1]
        position = last + (secs[tap] - start) / length
        beat = np.floor(position / _STEPS)
        step = np.abs(position[:, None] - _STEPS * beat[:, None] - grids).argmin(axis=1)
        positions[:, tap] = _STEPS * beat + grids[rows, step]
        steps[:, tap] = _STEPS * beat + step
        # Predict.
        ahead = positions[:, tap] - last
        noise = (_DRIFT * length) ** 2 / timing.STEPS_PER_BAR * np.abs(ahead)
        start_var = start_var + 2 * ahead * both + ahead**2 * length_var + noise * ahead**2 / 3
        both = both + ahead * length_var + noise * ahead / 2
        length_var = length_var + noise
        start = start + length * ahead
        # Compare.
        error, error_var = secs[tap] - start, start_var + _TAP_SD_SECS**2
        on_step = (1 - _STRAY_CHANCE) * np.exp(-0.5 * error**2 / error_var) / np.sqrt(2 * np.pi * error_var)
        anywhere = on_step + _STRAY_CHANCE / length
        density += np.log(anywhere)
        # Correct, as far as the tap is believed to be on the step.
        belief[:, tap] = on_step / anywhere
        gain = belief[:, tap] / error_var
        start, length = start + gain * start_var * error, length + gain * both * error
        length_var = length_var - gain * both**2
        both = both - gain * start_var * both
        start_var = start_var - gain * start_var**2
    return _Tracks(positions, steps, belief, density, 60 / (_STEPS * length))


def _rhythm(steps: np.ndarray) -> np.ndarray:
    """Returns how likely it is that just these steps `[h, n]` have taps, `[h]` in nats.

    Each sixteenth of the bar has taps in some share of the bars, which is as likely to be any that `_TAPPED` says:
    rhythms that are on the beat or that are the same in each bar are likely.
    """
    from scipy import special

    is_first = np.diff(steps, axis=1, prepend=-1) != 0
    num_steps = steps.max(axis=1) + 1
    nats = np.zeros(len(steps))
    for place in range(timing.STEPS_PER_BAR):
        tapped = (is_first & (steps % timing.STEPS_PER_BAR == place)).sum(axis=1)
        bars = np.maximum((num_steps - place + timing.STEPS_PER_BAR - 1) // timing.STEPS_PER_BAR, tapped)
        often, seldom = _TAPPED[place % _STEPS]
        nats += special.betaln(often + tapped, seldom + bars - tapped) - special.betaln(often, seldom)
    return nats


def _accents(steps: np.ndarray, levels_db: np.ndarray) -> np.ndarray:
    """Returns how likely the levels `[n]` of taps on steps `[h, n]` are, `[h]` in nats.

    Each sixteenth of the bar has a loudness of its own, normally distributed around `_ACCENT_DB`, and taps on it are
    normally distributed around that: accents that are on the beat or the same in each bar are likely.
    """
    ratio = (_ACCENT_SD_DB / _LEVEL_SD_DB) ** 2
    nats = np.zeros(len(steps))
    for place in range(timing.STEPS_PER_BAR):
        here = steps % timing.STEPS_PER_BAR == place
        above = (levels_db - levels_db.mean() - _ACCENT_DB[place % _STEPS]) / _LEVEL_SD_DB
        num, total, squares = here.sum(axis=1), here @ above, here @ above**2
        nats -= 0.5 * (np.log1p(num * ratio) + squares - ratio * total**2 / (1 + num * ratio))
    return nats


def _in_usual_octave(best: int, tracks: _Tracks, evidence: np.ndarray, num_taps: int) -> int:
    """Returns the track at half or double the tempo, if only that is usual and it is nearly as good in time."""
    slowest, fastest = USUAL_QPM
    if slowest <= tracks.qpm[best] <= fastest:
        return best
    wanted = tracks.qpm[best] * (2 if tracks.qpm[best] < slowest else 0.5)
    partners = np.abs(np.log(tracks.qpm / wanted)) < 2 * np.log(_TEMPO_RATIO)
    partner = int(np.where(partners, evidence, -np.inf).argmax())
    margin = _OCTAVE_MARGIN[0] + _OCTAVE_MARGIN[1] * num_taps
    is_as_good = partners[partner] and tracks.timing[partner] > tracks.timing[best] - margin
    return partner if is_as_good else best


def _straighten(
    secs: np.ndarray, positions: np.ndarray, belief: np.ndarray, qpm: float | None, other_qpm: float | None
) -> Pulse:
    """Lays taps on a steady tempo: what is left is how far each is from where the tempo of the moment puts it."""
    first, length = _line(positions, secs, belief)
    off = secs - first - length * positions
    drift = np.array([_at(secs, off, belief, at) for at in secs])
    played_qpm = 60 / (_STEPS * length)
    start_secs = timing.steps_to_secs(positions, qpm or played_qpm) + off - drift
    return Pulse(
        qpm=float(qpm or played_qpm),
        played_qpm=float(played_qpm),
        other_qpm=other_qpm,
        start_secs=np.maximum(start_secs, 0),
        drift_secs=float(np.abs(drift).max()),
        num_strays=int(np.sum(belief < 0.5)),
    )


def _at(secs: np.ndarray, off: np.ndarray, belief: np.ndarray, at: float) -> float:
    """Returns the drift at a time: the line through what the taps around are off."""
    near = slice(*np.searchsorted(secs, [at - 3 * _DRIFT_WINDOW_SECS, at + 3 * _DRIFT_WINDOW_SECS]))
    weights = belief[near] * np.exp(-0.5 * ((secs[near] - at) / _DRIFT_WINDOW_SECS) ** 2)
    return _line(secs[near] - at, off[near], weights)[0]


def _line(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """Returns the intercept and the slope of the line with the least weighted squares."""
    x_mean, y_mean = np.average(x, weights=weights), np.average(y, weights=weights)
    spread = np.sum(weights * (x - x_mean) ** 2)
    slope = np.sum(weights * (x - x_mean) * (y - y_mean)) / spread if spread > 0 else 0.0
    return y_mean - slope * x_mean, slope
