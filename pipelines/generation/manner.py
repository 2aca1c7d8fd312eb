"""Manner: how a performance departs from what a model expects of its hits, by sixteenth of the bar and by drum.

A model plays hits as drummers do on average. That somebody is late on the snare, swings, or hits the ride harder is
what remains; it goes with him from one beat to the next. Means are pooled partially, as in multilevel models (Gelman &
Hill 2007, chapter 12): a sixteenth of which a drum has few hits follows the drum, a drum with few hits follows the kit.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from grooves.groove import Groove
from grooves.timing import STEPS_PER_BAR

# So many hits of its own weigh as much as what they are pooled with; chosen on Groove's validation split, where half
# and twice as many are nearly as good (benchmarks/transfer.py).
_HITS_OF_A_PLACE, _HITS_OF_A_DRUM, _HITS_OF_A_KIT = 2.0, 8.0, 8.0
_SOFTEST = 1 / 127


@dataclasses.dataclass(frozen=True, eq=False)
class Manner:
    """What is added to a model's groove: `velocities` and `offsets`, `[16, 9]` each, in `Groove`'s units."""

    velocities: np.ndarray
    offsets: np.ndarray

    def added_to(self, expected: Groove) -> Groove:
        """Returns a groove `[steps, 9]`, of whole bars, in this manner."""
        bars = len(expected.hits) // STEPS_PER_BAR
        velocities = np.clip(expected.velocities + np.tile(self.velocities, [bars, 1]), _SOFTEST, 1)
        offsets = np.clip(expected.offsets + np.tile(self.offsets, [bars, 1]), -1, 1)
        hits = expected.hits
        return dataclasses.replace(expected, velocities=velocities * hits, offsets=offsets * hits)


def of(played: Groove, expected: Groove) -> Manner:
    """Returns the manner of a performance `[steps, 9]`, of whole bars, beside what a model expects of the same hits."""
    hits = _by_place(played.hits)
    return Manner(
        *(
            _pooled(_by_place((getattr(played, part) - getattr(expected, part)) * played.hits), hits)
            for part in ("velocities", "offsets")
        )
    )


def _by_place(cells: np.ndarray) -> np.ndarray:
    """Sums the bars of `[steps, 9]`: `[16, 9]`."""
    return cells.reshape(-1, STEPS_PER_BAR, cells.shape[-1]).sum(axis=0)


def _pooled(sums: np.ndarray, hits: np.ndarray) -> np.ndarray:
    """Returns the means `[16, 9]` of places that have so many hits."""
    kit = sums.sum() / (hits.sum() + _HITS_OF_A_KIT)
    drums = (sums.sum(axis=0) + _HITS_OF_A_DRUM * kit) / (hits.sum(axis=0) + _HITS_OF_A_DRUM)
    return (sums + _HITS_OF_A_PLACE * drums) / (hits + _HITS_OF_A_PLACE)
