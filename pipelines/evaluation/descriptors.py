"""What a window of drums is like, in numbers: how many drums, how dense, how syncopated, how it swings. NumPy alone.

The definitions are those of GrooveEvaluator (github.com/behzadhaki/GrooveEvaluator, with behzadhaki/HVO_Sequence), so
that its published means can stand beside ours; each function says where its own comes from.
"""

from __future__ import annotations

import itertools

import numpy as np

from grooves import timing
from grooves.drums import CLASS_NAMES
from grooves.groove import Groove
from grooves.timing import STEPS_PER_BAR

# How strong each sixteenth of a bar is: Longuet-Higgins and Lee, "The Rhythmic Interpretation of Monophonic Music",
# Music Perception 1(4), 1984, from 5 for the downbeat to 1, as in the GrooveToolbox (Bruford et al., ISMIR 2020).
METRICAL_STRENGTH = np.array([5, 1, 2, 1, 3, 1, 2, 1, 4, 1, 2, 1, 3, 1, 2, 1])
_MAX_SYNCOPATION = 15.0  # Of one drum and bar: what HVO_Sequence divides by, 30 for two bars.


def describe(groove: Groove, *, has_feel: bool) -> dict[str, np.ndarray]:
    """Describes each window of a batch.

    Args:
        groove: `[n, steps, 9]`, whole bars.
        has_feel: Whether its velocities and offsets were played or drawn; those of tokens are neither.

    Returns:
        By name `[n]` float64, or `[n, …]` for the histograms:

        - `instruments`: drums that are hit at least once.
        - `density`: hits per cell (steps by drums), "average voice density" there.
        - `step_density`: share of steps with a hit, "total step density" there.
        - `density_kick` … `density_ride`: share of steps on which that drum is hit.
        - `syncopation`, `complexity` and `bar_likeness`, as the functions of these names.
        - `step_histogram` `[n, 16]`: share of the hits on each sixteenth of the bar; zeros where there are no hits.
        - `drum_histogram` `[n, 9]`: share of the hits on each drum; likewise.

        And with feel, NaN for a window without hits:

        - `velocity_mean` and `velocity_spread` (standard deviation) over the hits, in [0, 1].
        - `offset_mean_steps` (late is positive) and `offset_spread_steps` (standard deviation), sixteenths.
        - `swing`, as the function of this name; 0 without hits.

    Raises:
        ValueError: the windows are not whole bars.
    """
    hits = groove.hits > 0.5
    step_density, syncopated = hits.any(axis=2).mean(axis=1), syncopation(hits)
    found = {
        "instruments": hits.any(axis=1).sum(axis=1).astype(np.float64),
        "density": hits.mean(axis=(1, 2)),
        "step_density": step_density,
        **{f"density_{key_of(name)}": hits[..., drum].mean(axis=1) for drum, name in enumerate(CLASS_NAMES)},
        "syncopation": syncopated,
        "complexity": complexity(syncopated, step_density),
        "bar_likeness": bar_likeness(hits),
        "step_histogram": _shares(_in_bars(hits).sum(axis=(1, 3))),
        "drum_histogram": _shares(hits.sum(axis=1)),
    }
    return found | (_feel(groove, hits) if has_feel else {})


def key_of(drum: str) -> str:
    """Returns a drum's name as a part of a key: "closed_hi_hat" of "closed hi-hat"."""
    return drum.replace(" ", "_").replace("-", "_")


def syncopation(hits: np.ndarray) -> np.ndarray:
    """Returns how syncopated windows are, the sum over all drums, 1 for a drum that is as syncopated as can be.

    A hit is syncopated if the next step, or else the one after it, is stronger than its own and has no hit; it counts
    as much as that step is stronger (Longuet-Higgins and Lee 1984; "combined syncopation" of HVO_Sequence). A window
    is a loop here; there each two bars of it are.

    Args:
        hits: `[n, steps, drums]` booleans, whole bars.

    Returns:
        `[n]`, per bar.
    """
    bars = _in_bars(hits).shape[1]
    strength = np.tile(METRICAL_STRENGTH, bars)[:, np.newaxis]
    gained = np.zeros(hits.shape)
    for ahead in (1, 2):  # Never both: what is weaker than the next step is as weak as the one after that.
        is_open = hits & ~np.roll(hits, -ahead, axis=1)
        gained += is_open * np.maximum(np.roll(strength, -ahead, axis=0) - strength, 0)
    return gained.sum(axis=(1, 2)) / (_MAX_SYNCOPATION * bars)


def complexity(syncopated: np.ndarray, step_density: np.ndarray) -> np.ndarray:
    """Returns what syncopation and density come to together: the length of the vector of both.

    From Sioros and Guedes, "Complexity Driven Recombination of MIDI Loops" (ISMIR 2011), as in HVO_Sequence.
    """
    return np.hypot(syncopated, step_density)


def bar_likeness(hits: np.ndarray) -> np.ndarray:
    """Returns how much of any two bars of a window is the same: 1 where all are alike, 0 where no two share a hit.

    That is the Jaccard index of their hits (those in both, divided by those in either), the mean over all pairs of
    bars. Two empty bars are alike. Samples can have the right density and drums, and bars that do not belong together.

    Args:
        hits: `[n, steps, drums]` booleans, whole bars.

    Returns:
        `[n]`; 1 for windows of one bar.
    """
    bars = _in_bars(hits)
    pairs = list(itertools.combinations(range(bars.shape[1]), 2))
    if not pairs:
        return np.ones(len(hits))
    first, second = (bars[:, list(of_pairs)] for of_pairs in zip(*pairs, strict=True))
    in_both, in_either = (cells.sum(axis=(2, 3)) for cells in (first & second, first | second))
    return np.where(in_either > 0, in_both / np.maximum(in_either, 1), 1.0).mean(axis=1)


def swing(hits: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Returns how late the hits on the second and fourth sixteenth of each quarter are, those of them that are late.

    As HVO_Sequence does by default, after the swing of sequencers: the mean lateness, 1 for half a step, 0 without any.

    Args:
        hits: `[n, steps, drums]` booleans.
        offsets: As in `grooves.groove`, early is positive.
    """
    lateness = np.maximum(-offsets[:, 1::2], 0)
    return np.nan_to_num(_mean(lateness, hits[:, 1::2] & (lateness > 0)))


def _feel(groove: Groove, hits: np.ndarray) -> dict[str, np.ndarray]:
    per_step = timing.steps_to_ms(1, timing.QPM)
    late_steps = -timing.offsets_to_ms(groove.offsets.astype(np.float64), timing.QPM) / per_step
    velocity_mean, velocity_spread = _mean_and_spread(groove.velocities.astype(np.float64), hits)
    offset_mean, offset_spread = _mean_and_spread(late_steps, hits)
    return {
        "velocity_mean": velocity_mean,
        "velocity_spread": velocity_spread,
        "offset_mean_steps": offset_mean,
        "offset_spread_steps": offset_spread,
        "swing": swing(hits, groove.offsets),
    }


def _in_bars(hits: np.ndarray) -> np.ndarray:
    """Returns hits `[n, steps, drums]` as `[n, bars, 16, drums]`."""
    if hits.shape[1] % STEPS_PER_BAR:
        raise ValueError(f"windows of {hits.shape[1]} steps are not whole bars of {STEPS_PER_BAR}")
    return hits.reshape(len(hits), hits.shape[1] // STEPS_PER_BAR, STEPS_PER_BAR, hits.shape[2])


def empty_bars(hits: np.ndarray) -> np.ndarray:
    """Returns which bars have no hit, `[n, bars]` booleans, of hits `[n, steps, drums]`."""
    return ~_in_bars(hits).any(axis=(2, 3))


def _shares(counts: np.ndarray) -> np.ndarray:
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


def _mean(values: np.ndarray, hits: np.ndarray) -> np.ndarray:
    """Returns the mean over each window's hits, `[n]`; NaN without hits."""
    count = hits.sum(axis=(1, 2))
    total = np.where(hits, values, 0.0).sum(axis=(1, 2))
    return np.divide(total, count, out=np.full(len(hits), np.nan), where=count > 0)


def _mean_and_spread(values: np.ndarray, hits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    mean = _mean(values, hits)
    return mean, np.sqrt(_mean((values - np.nan_to_num(mean)[:, np.newaxis, np.newaxis]) ** 2, hits))
