"""The nearest of many grooves: which of them has most of its hits where another has its own, and how it is played."""

from __future__ import annotations

import numpy as np

from grooves.groove import Groove

CHUNK_BYTES = 64 * 2**20  # Of distances at once: 1,000 windows against 15,629 are 63 MB.


def nearest(hits: np.ndarray, among: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Finds, for each groove, the one with the fewest cells that differ: the Hamming distance.

    Args:
        hits: `[n, …]`, booleans or ones and zeros; what comes behind the first axis are cells: steps by drums.
        among: `[m, …]`, likewise, with the same cells.

    Returns:
        The row in `among` `[n]` int64, the first one of several equally near; and the distance `[n]` int64, cells.

    Raises:
        ValueError: `among` is empty, or the two differ in their cells.
    """
    rows, distances = nearest_k(hits, among, 1)
    return rows[:, 0], distances[:, 0]


def nearest_k(hits: np.ndarray, among: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Finds the `k` nearest of each groove, as `nearest` does the one.

    Returns:
        Rows `[n, k]` and distances `[n, k]`, both int64, nearest first, of several equally near the first rows.

    Raises:
        ValueError: `among` has fewer than `k`, or as `nearest` says.
    """
    if hits.shape[1:] != among.shape[1:]:
        raise ValueError(f"grooves of {hits.shape[1:]} cells have no distance to grooves of {among.shape[1:]}")
    if not 1 <= k <= len(among):
        raise ValueError(f"the {k} nearest of {len(among)} grooves were asked for; there are 1 to {len(among)}")
    targets = among.reshape(len(among), -1).astype(np.float32)
    queries = hits.reshape(len(hits), targets.shape[1]).astype(np.float32)
    num_hits, size = targets.sum(axis=1), max(1, CHUNK_BYTES // (4 * len(targets)))
    rows, distances = np.zeros([2, len(queries), k], np.int64)
    for start in range(0, len(queries), size):
        part = queries[start : start + size]
        # Of ones and zeros: |a - b| = a + b - 2ab. Sums of whole numbers below 2^24 are exact in float32.
        apart = part.sum(axis=1, keepdims=True) + num_hits - 2 * (part @ targets.T)
        rows[start : start + size], distances[start : start + size] = _smallest(apart, k)
    return rows, distances


def mean_of_neighbours(among: Groove, hits: np.ndarray, k: int) -> Groove:
    """Returns how given hits are played by the nearest of many grooves on average.

    Of the `k` nearest, those that have a hit in a cell give it the mean of their velocities and offsets; where none
    has, the cell gets the mean of its drum, as `means_of_drums` says.

    Args:
        among: `[m, steps, 9]`; all of them are neighbours where there are fewer than `k`.
        hits: `[n, steps, 9]`.
        k: How many neighbours.

    Returns:
        Grooves `[n, steps, 9]`.
    """
    neighbours, _ = nearest_k(hits, among.hits, min(k, len(among.hits)))
    answers = [
        np.stack([_mean_of_hits(among.hits[rows], part[rows], otherwise) for rows in neighbours]) * hits
        for part, otherwise in zip((among.velocities, among.offsets), means_of_drums(among), strict=True)
    ]
    return Groove(hits, *answers)


def means_of_drums(played: Groove) -> tuple[np.ndarray, np.ndarray]:
    """Returns the mean velocity and the mean offset of each drum's hits, `[9]`; of one that is never hit, of all hits.

    It would be silent otherwise. Without any hits, both are 0.
    """
    num_hits = played.hits.sum(axis=(0, 1))
    velocities, offsets = (
        np.where(num_hits > 0, part.sum(axis=(0, 1)) / np.maximum(num_hits, 1), part.sum() / max(num_hits.sum(), 1))
        for part in (played.velocities, played.offsets)
    )
    return velocities, offsets


def _mean_of_hits(hits: np.ndarray, values: np.ndarray, otherwise: np.ndarray) -> np.ndarray:
    """Returns the mean of the values `[k, steps, 9]` in each cell over those with a hit there, `[steps, 9]`."""
    counts = hits.sum(axis=0)
    return np.where(counts > 0, values.sum(axis=0) / np.maximum(counts, 1), otherwise)


def _smallest(values: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the columns `[n, k]` of the smallest of whole numbers `[n, m]`, and these; ties in the columns' order."""
    if k == 1:
        columns = values.argmin(axis=1)[:, np.newaxis]
    else:
        # Each number with its column is a number of its own, so that a partial sort keeps the order of ties.
        ranked = values.astype(np.int64) * values.shape[1] + np.arange(values.shape[1])
        columns = np.sort(np.partition(ranked, k - 1, axis=1)[:, :k], axis=1) % values.shape[1]
    return columns, np.take_along_axis(values, columns, axis=1)
