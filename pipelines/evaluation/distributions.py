"""How alike two sets of windows are in one descriptor: the overlap area and the KL divergence of Yang and Lerch.

From "On the evaluation of generative models in music" (Neural Computing and Applications 32, 2020) and its code,
github.com/RichardYang40148/mgeval: all distances within the target set make one density, all distances from the target
set to the other one make a second, and these two are compared. Where the other set is as the target is, they are the
same; where it is more uniform, more varied or elsewhere, they are not.

Two things differ from that code: both densities are read on one grid (there the KL divergence reads each on its own),
and a descriptor that is the same in all windows is no error.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy import ndimage, stats
from scipy.spatial import distance

MAX_WINDOWS = 2_000  # Of each set, drawn at random: 2 million distances within it, 4 million between two.
_GRID = 2_048  # Points from distance 0 to the largest one.
_REACH = 4.0  # Standard deviations of the kernel.
_FLOOR = 1e-10  # Of all mass; a point with less counts as so much, so that the divergence is finite, 23 nats at most.


@dataclasses.dataclass(frozen=True)
class Likeness:
    """How a set is like the target in one descriptor."""

    overlap: float  # Of the densities of distances, from 0 to 1.
    kl: float  # From the density within the target to that between the sets, nats.


def compare(target: np.ndarray, other: np.ndarray, seed: int) -> Likeness | None:
    """Compares a set's descriptor with the target's.

    Args:
        target: `[n]` or, for a histogram, `[n, k]`, whose distances are Euclidean. Windows with NaN do not count.
        other: `[m]` or `[m, k]`.
        seed: Which windows are taken where there are more than MAX_WINDOWS.

    Returns:
        None where there are no distances: the target has fewer than two windows, or the other set has none.
    """
    target, other = (_rows(values, seed) for values in (target, other))
    if len(target) < 2 or not len(other):
        return None
    within, between = densities(distance.pdist(target), distance.cdist(target, other).ravel())
    return Likeness(float(np.minimum(within, between).sum()), float(stats.entropy(within, between)))


def densities(*samples: np.ndarray) -> list[np.ndarray]:
    """Returns kernel density estimates of several samples of distances, on one grid that covers them all.

    As `scipy.stats.gaussian_kde` with its own (Scott's) bandwidth, but of counts on the grid, which takes millions of
    distances. A kernel is at least a grid's point wide, so that equal distances have a density, too.

    Returns:
        For each its mass at the grid's points, which sums up to 1.
    """
    largest = max(sample.max() for sample in samples) or 1.0
    spacing = largest / (_GRID - 1)
    widths = [max(_bandwidth(sample) / spacing, 1.0) for sample in samples]
    margin = int(_REACH * max(widths)) + 1
    masses = []
    for sample, width in zip(samples, widths, strict=True):
        counts = np.bincount(np.rint(sample / spacing).astype(np.int64), minlength=_GRID).astype(np.float64)
        smooth = ndimage.gaussian_filter1d(np.pad(counts, margin), width, mode="constant", truncate=_REACH)
        mass = np.maximum(smooth / smooth.sum(), _FLOOR)
        masses.append(mass / mass.sum())
    return masses


def _bandwidth(sample: np.ndarray) -> float:
    """Returns Scott's bandwidth in one dimension."""
    return float(np.std(sample, ddof=1) * len(sample) ** -0.2) if len(sample) > 1 else 0.0


def _rows(values: np.ndarray, seed: int) -> np.ndarray:
    """Returns at most MAX_WINDOWS rows `[n, k]` without NaN."""
    values = values.reshape(len(values), -1)
    values = values[~np.isnan(values).any(axis=1)]
    if len(values) <= MAX_WINDOWS:
        return values
    return values[np.random.default_rng(seed).choice(len(values), MAX_WINDOWS, replace=False)]
