"""The nine drums: which pitch is which on which kit, and which NoteSequences are drums in four-four at all."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from note_seq import NoteSequence

CLASS_NAMES = (
    "kick", "snare", "closed hi-hat", "open hi-hat", "low tom", "mid tom", "high tom", "crash", "ride",
)  # fmt: skip
NUM_CLASSES = len(CLASS_NAMES)

# magenta.models.music_vae.data.ROLAND_DRUM_PITCH_CLASSES: the Roland TD-11 that Groove was played on.
ROLAND_CLASSES = (
    (36,),
    (38, 37, 40),
    (42, 22, 44),
    (46, 26),
    (43, 58),
    (47, 45),
    (50, 48),
    (49, 52, 55, 57),
    (51, 53, 59),
)
# magenta.models.music_vae.data.REDUCED_DRUM_PITCH_CLASSES: General MIDI's percussion.
GM_CLASSES = (
    (36, 35),
    (38, 27, 28, 31, 32, 33, 34, 37, 39, 40, 56, 65, 66, 75, 85),
    (42, 44, 54, 68, 69, 70, 71, 73, 78, 80, 22),
    (46, 67, 72, 74, 79, 81, 26),
    (45, 29, 41, 43, 61, 64, 84),
    (48, 47, 60, 63, 77, 86, 87),
    (50, 30, 62, 76, 83),
    (49, 52, 55, 57, 58),
    (51, 53, 59, 82),
)
ROLAND, GM, AUTO = "roland", "gm", "auto"
DRUM_MAPS = (ROLAND, GM)

_ROLAND_PITCHES = frozenset(pitch for pitches in ROLAND_CLASSES for pitch in pitches)
_GM_PITCHES = frozenset(pitch for pitches in GM_CLASSES for pitch in pitches)
# The edges of the hi-hat, which every Roland player hits and General MIDI does not have.
_ONLY_ROLAND_PLAYS = frozenset({22, 26})
_ONLY_GM_PLAYS = _GM_PITCHES - _ROLAND_PITCHES


def _class_by_pitch(drum_map: str) -> np.ndarray:
    """Returns the class of each of MIDI's 128 pitches, -1 for none."""
    table = np.full(128, -1, np.int8)
    # Pitches that the Roland kit lacks, such as kick 35, count as in General MIDI.
    for classes in (GM_CLASSES, ROLAND_CLASSES) if drum_map == ROLAND else (GM_CLASSES,):
        for number, pitches in enumerate(classes):
            table[list(pitches)] = number
    return table


CLASS_BY_PITCH: Mapping[str, np.ndarray] = {drum_map: _class_by_pitch(drum_map) for drum_map in DRUM_MAPS}


def _pitch_on_kit(drum_map: str) -> dict[int, int]:
    """Returns the Roland kit's pitch for each that is in a class: itself, or the first one of the class."""
    return {
        pitch: pitch if pitch in ROLAND_CLASSES[number] else ROLAND_CLASSES[number][0]
        for pitch, number in enumerate(CLASS_BY_PITCH[drum_map])
        if number >= 0
    }


_PITCH_ON_KIT = {drum_map: _pitch_on_kit(drum_map) for drum_map in DRUM_MAPS}


def evidence(pitches: Iterable[int]) -> str:
    """Returns the drum map that a performance's hits speak for: "roland", "gm", or "" where they fit both.

    The two differ in pitches 45, 48 and 58 alone; who plays those is told by the pitches that only one kit has.
    """
    pitches = list(pitches)
    roland = sum(pitch in _ONLY_ROLAND_PLAYS for pitch in pitches)
    gm = sum(pitch in _ONLY_GM_PLAYS for pitch in pitches)
    if roland == gm:
        return ""
    return ROLAND if roland > gm else GM


def drum_pitches(sequence: NoteSequence) -> list[int]:
    """Returns the pitch of each drum note."""
    return [note.pitch for note in sequence.notes if note.is_drum]


def choose_map(sequence: NoteSequence, otherwise: str = ROLAND) -> str:
    """Returns the drum map that a performance's own hits speak for, `otherwise` where they fit both."""
    return evidence(drum_pitches(sequence)) or otherwise


def reason_to_skip(sequence: NoteSequence) -> str:
    """Returns why a NoteSequence cannot give four-four drum examples, or "" if it can."""
    if not sequence.notes:
        return "no notes"
    if not any(note.is_drum for note in sequence.notes):
        return "no drums: nothing on MIDI channel 10"
    found = metres(sequence)
    if "4/4" not in found:
        return f"not in 4/4: {', '.join(found)}"
    return ""


def metres(sequence: NoteSequence) -> tuple[str, ...]:
    """Returns the metres as they come, each once; without any, MIDI means 4/4."""
    found = [f"{metre.numerator}/{metre.denominator}" for metre in sequence.time_signatures]
    return tuple(dict.fromkeys(found)) or ("4/4",)


def on_kit(sequence: NoteSequence, drum_map: str) -> NoteSequence:
    """Returns the drum notes alone, on the Roland kit: pitches that it lacks, or has for another drum, are moved.

    Args:
        sequence: The performance.
        drum_map: How its pitches are read, "roland" or "gm". Hits that are in no class are left out.
    """
    pitch_on_kit = _PITCH_ON_KIT[drum_map]
    kit = copy.copy(sequence)
    for field in ("control_changes", "pitch_bends"):
        kit.ClearField(field)
    found = {note.pitch if note.is_drum else None for note in sequence.notes}
    if not found <= pitch_on_kit.keys():
        kit.ClearField("notes")
        kit.notes.extend(note for note in sequence.notes if note.is_drum and note.pitch in pitch_on_kit)
    if any(pitch_on_kit.get(pitch, pitch) != pitch for pitch in found):
        for note in kit.notes:
            note.pitch = pitch_on_kit[note.pitch]
    return kit
