"""Fills: the last bar of a phrase, where drummers leave the pattern."""

from __future__ import annotations

import dataclasses

import numpy as np

from grooves.drums import CLASS_NAMES
from grooves.groove import Groove
from grooves.timing import STEPS_PER_BAR
from pipelines.generation import latent
from pipelines.generation.player import Player

NUM_CANDIDATES = 24  # Grooves in the neighbourhood, of which the one that ends most like a fill is taken.
DISTANCE = 0.35  # How far they are, between the same groove and another.
_FILL_DRUMS = [CLASS_NAMES.index(name) for name in ("snare", "low tom", "mid tom", "high tom")]
_LIKELY_TEMPERATURE = 0.5


def likeness(hits: np.ndarray) -> np.ndarray:
    """Returns how much like fills the last bars of windows `[n, steps, 9]` are, `[n]`, in hits.

    That is how many more hits of snare and toms the last bar has than the bars before it on average, and how many cells
    of it differ from the most similar of them, a tenth each.
    """
    bars = hits.reshape(len(hits), -1, STEPS_PER_BAR, hits.shape[-1]) > 0.5
    *before, last = np.moveaxis(bars, 1, 0)
    earlier = np.stack(before)
    more = last[..., _FILL_DRUMS].sum(axis=(1, 2)) - earlier[..., _FILL_DRUMS].sum(axis=(2, 3)).mean(axis=0)
    differing = (earlier != last).sum(axis=(2, 3)).min(axis=0)
    return more + differing / 10


def add(player: Player, composed: Groove, z: np.ndarray, ends: np.ndarray, random: np.random.Generator) -> Groove:
    """Returns windows of which some have another last bar, from the neighbourhood in latent space: a fill.

    Args:
        player: Composes the candidates.
        composed: `[n, steps, 9]`.
        z: `[n, z_size]`, their latent vectors.
        ends: `[n]` booleans: which end with a fill.
        random: The candidates are drawn from it.
    """
    hits, velocities, offsets = composed.hits.copy(), composed.velocities.copy(), composed.offsets.copy()
    for row in np.flatnonzero(ends):
        others = player.draw(NUM_CANDIDATES, random)
        near = np.stack([latent.slerp(z[row], other, DISTANCE) for other in others])
        found = player.model.decode(near.astype(np.float32), _LIKELY_TEMPERATURE, random)
        with_last_bar = np.repeat(hits[[row]], NUM_CANDIDATES, axis=0)
        with_last_bar[:, -STEPS_PER_BAR:] = found.hits[:, -STEPS_PER_BAR:]
        best = int(np.argmax(likeness(with_last_bar)))
        for part, theirs in ((hits, found.hits), (velocities, found.velocities), (offsets, found.offsets)):
            part[row, -STEPS_PER_BAR:] = theirs[best, -STEPS_PER_BAR:]
    return dataclasses.replace(composed, hits=hits, velocities=velocities, offsets=offsets)
