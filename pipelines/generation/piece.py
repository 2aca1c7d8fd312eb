"""A piece: what a mode of generation gives, and how a groove becomes notes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import mido
import numpy as np

from grooves import drums
from grooves.groove import Groove
from grooves.timing import QPM, STEPS_PER_BAR, STEPS_PER_QUARTER
from pipelines.generation.feel import QUARTERS_PER_OFFSET
from pipelines.generation.song import Notes, Song

_FIRST_PITCHES = {
    drums.ROLAND.name: np.array([pitches[0] for pitches in drums.ROLAND_CLASSES]),
    drums.GM.name: np.array([pitches[0] for pitches in drums.GM_CLASSES]),
}
Tempos = tuple[tuple[float, float], ...]  # Where, in quarters, which tempo begins, in quarters a minute.
USUAL_TEMPOS: Tempos = ((0.0, QPM),)


@dataclasses.dataclass(frozen=True, eq=False)
class Piece:
    """Drums to be written.

    Attributes:
        label: What a page calls it.
        notes: In quarters from its beginning; an early first hit begins before 0.
        tempos: As a `Song`'s.
        num_bars: Its length.
        original: What it was made of, where that is to be heard beside it.
        latent: `[windows, z_size]`, the latent vectors that it was decoded from; None where it has none.
        facts: What a page says of it, by name.
        backing: The song whose other tracks go with it.
        place: Row and column, in a grid.
    """

    label: str
    notes: Notes
    tempos: Tempos
    num_bars: int
    original: Song | None = None
    latent: np.ndarray | None = None
    facts: Mapping[str, str] = dataclasses.field(default_factory=dict)
    backing: Song | None = None
    place: tuple[int, int] | None = None


def notes_of(played: Groove, kit: str = drums.ROLAND.name) -> Notes:
    """Returns the hits of a groove `[steps, 9]` as notes of a sixteenth each, with the first pitch of each class.

    Args:
        played: A silent velocity of a hit becomes the quietest that MIDI has.
        kit: Which kit's pitches, "roland" or "gm".
    """
    steps, classes = np.nonzero(played.hits > 0.5)
    quarters = steps / STEPS_PER_QUARTER - played.offsets[steps, classes] * QUARTERS_PER_OFFSET
    velocities = np.clip(np.round(played.velocities[steps, classes] * 127), 1, 127).astype(np.int64)
    lengths = np.full(len(steps), 1 / STEPS_PER_QUARTER)
    return Notes(quarters, lengths, _FIRST_PITCHES[kit][classes], velocities).in_order()


def song_of(played: Groove, qpm: float, label: str, kit: str = drums.ROLAND.name) -> Song:
    """Returns a groove `[steps, 9]` as a song, as if it had been read from a MIDI file."""
    notes = notes_of(played, kit)
    classes = drums.MAP_BY_NAME[kit].table[notes.pitches]
    return Song(label, notes, classes, ((0.0, qpm),), len(played.hits) // STEPS_PER_BAR, mido.MidiFile())
