"""The nine drums: which pitch is which on which kit, and which NoteSequences are drums in four-four at all."""

from __future__ import annotations

import copy
import dataclasses
import functools
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from grooves import channels

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
NUM_PITCHES = 128  # Of MIDI.


@dataclasses.dataclass(frozen=True)
class DrumMap:
    """How the pitches of drums are read.

    Attributes:
        name: "roland", "gm", or what a map of one's own is called.
        classes: The class of each of MIDI's 128 pitches, -1 for none.
    """

    name: str
    classes: tuple[int, ...] = dataclasses.field(repr=False)

    @classmethod
    def of(cls, name: str, class_by_pitch: Mapping[int, int]) -> DrumMap:
        """Returns the map in which pitches that are not given are in no class."""
        return cls(name, tuple(class_by_pitch.get(pitch, -1) for pitch in range(NUM_PITCHES)))

    @functools.cached_property
    def table(self) -> np.ndarray:
        """The class of each pitch, `[128]` int8, -1 for none."""
        return np.array(self.classes, np.int8)

    @functools.cached_property
    def pitch_on_kit(self) -> dict[int, int]:
        """The Roland kit's pitch for each that is in a class: itself, or the first one of the class."""
        return {
            pitch: pitch if pitch in ROLAND_CLASSES[number] else ROLAND_CLASSES[number][0]
            for pitch, number in enumerate(self.classes)
            if number >= 0
        }

    @property
    def label(self) -> str:
        """What tells this map from all others: the name, of one's own map also a digest of the classes."""
        if self in DRUM_MAPS:
            return self.name
        return f"{self.name} (content {hashlib.sha256(self.table.tobytes()).hexdigest()[:8]})"


def _class_by_pitch(*kits: Sequence[Sequence[int]]) -> dict[int, int]:
    """Returns the class of each pitch of the kits; of a pitch that several have, the last one's."""
    return {pitch: number for classes in kits for number, pitches in enumerate(classes) for pitch in pitches}


# Pitches that the Roland kit lacks, such as kick 35, count as in General MIDI.
ROLAND = DrumMap.of("roland", _class_by_pitch(GM_CLASSES, ROLAND_CLASSES))
GM = DrumMap.of("gm", _class_by_pitch(GM_CLASSES))
DRUM_MAPS = (ROLAND, GM)
MAP_BY_NAME = {drum_map.name: drum_map for drum_map in DRUM_MAPS}

_ROLAND_PITCHES = frozenset(_class_by_pitch(ROLAND_CLASSES))
_GM_PITCHES = frozenset(_class_by_pitch(GM_CLASSES))
# The edges of the hi-hat, which every Roland player hits and General MIDI does not have.
_ONLY_ROLAND_PLAYS = frozenset({22, 26})
_ONLY_GM_PLAYS = _GM_PITCHES - _ROLAND_PITCHES


def evidence(pitches: Iterable[int]) -> DrumMap | None:
    """Returns the drum map that a performance's hits speak for: Roland's, General MIDI's, None where they fit both.

    The two differ in pitches 45, 48 and 58 alone; who plays those is told by the pitches that only one kit has.
    """
    pitches = list(pitches)
    roland = sum(pitch in _ONLY_ROLAND_PLAYS for pitch in pitches)
    gm = sum(pitch in _ONLY_GM_PLAYS for pitch in pitches)
    if roland == gm:
        return None
    return ROLAND if roland > gm else GM


def drum_pitches(sequence: NoteSequence) -> list[int]:
    """Returns the pitch of each drum note."""
    return [note.pitch for note in sequence.notes if note.is_drum]


def choose_map(sequence: NoteSequence, otherwise: DrumMap = ROLAND) -> DrumMap:
    """Returns the drum map that a performance's own hits speak for, `otherwise` where they fit both."""
    return evidence(drum_pitches(sequence)) or otherwise


def reason_to_skip(
    sequence: NoteSequence,
    drum_channel: channels.DrumChannel = channels.PERCUSSION,
    count_by_channel: Callable[[], Mapping[int, int]] | None = None,
) -> str:
    """Returns why a NoteSequence cannot give four-four drum examples, or "" if it can.

    Args:
        sequence: The performance.
        drum_channel: Where its drums were looked for.
        count_by_channel: Counts its notes by channel, which NoteSequences do not keep; asked where there are no drums.
    """
    if not sequence.notes:
        return "no notes"
    if not any(note.is_drum for note in sequence.notes):
        return f"no drums: {channels.where_notes_are(drum_channel, count_by_channel and count_by_channel())}"
    found = metres(sequence)
    if "4/4" not in found:
        return f"not in 4/4: {', '.join(found)}"
    return ""


def metres(sequence: NoteSequence) -> tuple[str, ...]:
    """Returns the metres as they come, each once; without any, MIDI means 4/4."""
    found = [f"{metre.numerator}/{metre.denominator}" for metre in sequence.time_signatures]
    return tuple(dict.fromkeys(found)) or ("4/4",)


def on_kit(sequence: NoteSequence, drum_map: DrumMap) -> NoteSequence:
    """Returns the drum notes alone, on the Roland kit: pitches that it lacks, or has for another drum, are moved.

    Args:
        sequence: The performance.
        drum_map: How its pitches are read. Hits that are in no class are left out.
    """
    pitch_on_kit = drum_map.pitch_on_kit
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
