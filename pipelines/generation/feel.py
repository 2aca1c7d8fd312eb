"""Feel: notes that are there already get the timing and the dynamics of a groove. None is added, none is lost."""

from __future__ import annotations

import dataclasses

import numpy as np

from grooves.groove import Groove
from grooves.timing import STEPS_PER_QUARTER
from pipelines.generation.song import Notes, Song

TRIPLETS_PER_QUARTER = 12  # A grid with eighth and sixteenth triplets on it.
_ON_GRID_QUARTERS = 0.004  # So near to a triplet, 2 ms at 120 qpm, a note was written as one and not played so.
QUARTERS_PER_OFFSET = 1 / (2 * STEPS_PER_QUARTER)  # An offset of 1 is half a sixteenth.


def apply(song: Song, played: Groove, timing: float = 1.0, dynamics: float = 1.0) -> Notes:
    """Returns a song's notes as a groove plays them.

    Where several notes fall into one cell, as in a flam, the loudest is played and the others keep their distance to
    it. Notes of no drum class stay as they are.

    Args:
        song: Its notes; a note's place is the sixteenth it is nearest to, or a triplet where it lies on one exactly.
        played: `[num_bars * 16, 9]`, of which cells without a note do not count.
        timing: From 0, each note as it lies in the song, to 1, as in the groove.
        dynamics: Likewise, for velocities.
    """
    notes, cells = song.notes, _cells(song)
    quarters, velocities = notes.quarters.copy(), notes.velocities.astype(np.float64)
    for rows in cells:
        leader = rows[np.argmax(notes.velocities[rows])]
        cell = notes.steps[leader], song.classes[leader]
        late = -played.offsets[cell] * QUARTERS_PER_OFFSET
        target = written(notes.quarters[leader]) + late
        quarters[rows] += timing * (target - notes.quarters[leader])
        loud = (1 - dynamics) * notes.velocities[leader] + dynamics * 127 * played.velocities[cell]
        velocities[rows] *= loud / notes.velocities[leader]
    velocities = np.clip(np.round(velocities), 1, 127).astype(np.int64)
    return dataclasses.replace(notes, quarters=quarters, velocities=velocities).in_order()


def written(quarters: np.ndarray | float) -> np.ndarray:
    """Returns where notes stand that begin at these quarters: at the nearest sixteenth, or exactly at a triplet."""
    sixteenth = np.floor(np.asarray(quarters) * STEPS_PER_QUARTER + 0.5) / STEPS_PER_QUARTER
    triplet = np.round(np.asarray(quarters) * TRIPLETS_PER_QUARTER) / TRIPLETS_PER_QUARTER
    return np.where(np.abs(quarters - triplet) <= _ON_GRID_QUARTERS, triplet, sixteenth)


def _cells(song: Song) -> list[np.ndarray]:
    """Returns the indices of the notes of each cell of step and drum class that has any."""
    has_class = np.flatnonzero(song.classes >= 0)
    keys = song.notes.steps[has_class] * 128 + song.classes[has_class]
    order = np.argsort(keys, kind="stable")
    ends = np.flatnonzero(np.diff(keys[order])) + 1
    return np.split(has_class[order], ends) if len(order) else []
