"""Beats as text, a sign for each sixteenth, to be played: a drum tab becomes a MIDI file.

    hi-hat x-x-x-x-x-x-x-x-
    snare  ----x-------x---
    kick   x-----x-x-------

`x` is a hit, `X` an accent, `o` a soft one; `-` and `.` are rests, and `|` parts bars for the eye.
"""

from __future__ import annotations

import difflib
import pathlib

import numpy as np

from grooves import drums
from grooves.groove import Groove
from grooves.timing import STEPS_PER_BAR
from pipelines.generation import outputs
from pipelines.generation.piece import Piece, notes_of

VELOCITIES = {"o": 50 / 127, "x": 90 / 127, "X": 115 / 127}
RESTS = "-."
SHORT_NAMES = {"hi-hat": "closed hi-hat"}
MIN_QPM, MAX_QPM = 20.0, 400.0  # As `pipelines.generate` takes them.


def write(name: str, tab: str, qpm: float, num_bars: int, folder: pathlib.Path) -> pathlib.Path:
    """Writes a tab as a MIDI file, exactly on the grid.

    Args:
        name: Of the file, without its ending.
        tab: A line for each drum: its name, then a sign for each sixteenth of one or more bars.
        qpm: The tempo, in quarters a minute.
        num_bars: Of the file; the tab is repeated to fill them.
        folder: Where the file goes. It is made when missing.

    Raises:
        OSError: the file cannot be written.
        ValueError: the tab cannot be read, or the tempo is out of range; why.
    """
    if not MIN_QPM <= qpm <= MAX_QPM:
        raise ValueError(f"{qpm:g} quarters a minute: a tempo from {MIN_QPM:g} to {MAX_QPM:g} is accepted")
    path = folder / f"{name}.mid"
    groove = read(tab)
    repeats = -(-num_bars * STEPS_PER_BAR // len(groove))
    groove = np.tile(groove, (repeats, 1))[: num_bars * STEPS_PER_BAR]
    hits = groove > 0
    played = Groove(hits.astype(np.float32), groove, np.zeros_like(groove))
    outputs.write(Piece(name, notes_of(played), ((0.0, qpm),), num_bars), path)
    return path


def read(tab: str) -> np.ndarray:
    """Reads a tab.

    Returns:
        `[steps, 9]` velocities in [0, 1], 0 where a drum is not hit.

    Raises:
        ValueError: a drum is unknown or named twice, a sign is unknown, lines differ in length, or there are no whole
            bars, or no hits.
    """
    columns: dict[int, np.ndarray] = {}
    for line in filter(None, (line.strip() for line in tab.splitlines())):
        drum, signs = _split(line)
        if drum in columns:
            raise ValueError(f"{line!r}: {drums.CLASS_NAMES[drum]} has a line already; give each drum one")
        columns[drum] = signs
    lengths = sorted({len(signs) for signs in columns.values()})
    if len(lengths) != 1:
        said = " and ".join(map(str, lengths)) or "no"
        raise ValueError(f"the lines of a tab have {said} signs; give all the same number, {STEPS_PER_BAR} a bar")
    if lengths[0] % STEPS_PER_BAR or not lengths[0]:
        raise ValueError(f"a tab of {lengths[0]} signs is no whole bars; give {STEPS_PER_BAR} a bar")
    groove = np.zeros((lengths[0], drums.NUM_CLASSES), np.float32)
    for drum, signs in columns.items():
        groove[:, drum] = signs
    if not groove.any():
        raise ValueError("this tab has no hits; write some: x, X for an accent, o for a soft one")
    return groove


def _split(line: str) -> tuple[int, np.ndarray]:
    """Returns the class of a line's drum, and a velocity for each of its signs."""
    name, _, signs = line.rpartition(" ")
    name = " ".join(name.lower().split())
    name = SHORT_NAMES.get(name, name)
    if name not in drums.CLASS_NAMES:
        near = difflib.get_close_matches(name, drums.CLASS_NAMES, n=len(drums.CLASS_NAMES), cutoff=0)
        raise ValueError(f"{line!r}: begins with no drum; these are known, nearest first: {', '.join(near)}")
    signs = signs.replace("|", "")
    unknown = sorted(set(signs) - set(RESTS) - set(VELOCITIES))
    if unknown:
        raise ValueError(
            f"{line!r}: {' '.join(unknown)} is no sign of a tab; x is a hit, X an accent, o a soft one, - a rest"
        )
    return drums.CLASS_NAMES.index(name), np.array([VELOCITIES.get(sign, 0.0) for sign in signs], np.float32)
