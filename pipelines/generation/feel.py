"""Feel: notes that are there already get the timing and the dynamics of a groove. None is added, none is lost."""

from __future__ import annotations

import dataclasses

import numpy as np

from grooves.groove import Groove
from grooves.timing import STEPS_PER_QUARTER
from pipelines.generation.song import Notes, Song

TRIPLETS_PER_QUARTER = 12  # A grid with eighth and sixteenth triplets on it.
_ON_GRID_QUARTERS = 0.004  # So near to a grid, 2 ms at 120 qpm, a note was written and not played.
_WRITTEN_SHARE = 0.5  # Of a song's notes that are on a grid; of a played song there are a tenth by chance.
QUARTERS_PER_OFFSET = 1 / (2 * STEPS_PER_QUARTER)  # An offset of 1 is half a sixteenth.


def apply(song: Song, played: Groove, timing: float = 1.0, dynamics: float = 1.0) -> Notes:
    """Returns a song's notes as a groove plays them.

    Where several notes fall into one cell, as in a flam, the loudest is played and the others keep their distance to
    it. Notes of no drum class stay as they are.

    Args:
        song: Its notes; a note's place is what `places` says.
        played: `[num_bars * 16, 9]`, of which cells without a note do not count.
        timing: From 0, each note as it lies in the song, to 1, as in the groove.
        dynamics: Likewise, for velocities.
    """
    notes, cells, stands = song.notes, _cells(song), places(song)
    quarters, velocities = notes.quarters.copy(), notes.velocities.astype(np.float64)
    for rows in cells:
        leader = rows[np.argmax(notes.velocities[rows])]
        cell = notes.steps[leader], song.classes[leader]
        late = -played.offsets[cell] * QUARTERS_PER_OFFSET
        target = stands[leader] + late
        quarters[rows] += timing * (target - notes.quarters[leader])
        loud = (1 - dynamics) * notes.velocities[leader] + dynamics * 127 * played.velocities[cell]
        velocities[rows] *= loud / notes.velocities[leader]
    velocities = np.clip(np.round(velocities), 1, 127).astype(np.int64)
    return dataclasses.replace(notes, quarters=quarters, velocities=velocities).in_order()


def places(song: Song) -> np.ndarray:
    """Returns where a song's notes stand, `[n]` quarters: at the nearest sixteenth, or at a triplet that they lie on.

    Triplets are in songs that are written. In one that is played, a note lies on a triplet by chance alone.
    """
    quarters = song.notes.quarters
    sixteenths, triplets = (
        np.floor(quarters * per_quarter + 0.5) / per_quarter
        for per_quarter in (STEPS_PER_QUARTER, TRIPLETS_PER_QUARTER)
    )
    tolerance = max(_ON_GRID_QUARTERS, 0.5 / song.midi.ticks_per_beat)  # A coarse file has ticks beside the grid alone.
    is_on_grid = np.abs(quarters - triplets) <= tolerance  # Which has the sixteenths in it.
    if not len(quarters) or is_on_grid.mean() < _WRITTEN_SHARE:
        return sixteenths
    return np.where(is_on_grid & (np.abs(quarters - sixteenths) > tolerance), triplets, sixteenths)


def _cells(song: Song) -> list[np.ndarray]:
    """Returns the indices of the notes of each cell of step and drum class that has any."""
    has_class = np.flatnonzero(song.classes >= 0)
    keys = song.notes.steps[has_class] * 128 + song.classes[has_class]
    order = np.argsort(keys, kind="stable")
    ends = np.flatnonzero(np.diff(keys[order])) + 1
    return np.split(has_class[order], ends) if len(order) else []
