"""Where each drum stands on the staff: its line or space, its notehead, and whether hands or feet play it.

After Norman Weinberg, "Guidelines for Drumset Notation", Percussive Notes (Percussive Arts Society), June 1994: drums
have round heads, cymbals have x heads and stand above them, and the feet have a voice of their own. Places are named as
in the treble clef, as MusicXML does: E4 is the lowest line, F5 the highest.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable

from grooves import drums
from pipelines.files import midi_files

with midi_files.importing_libraries():
    import pretty_midi

ROUND, CROSS, DIAMOND = "normal", "x", "diamond"  # Noteheads, as MusicXML calls them.
_STEPS = "CDEFGAB"


@dataclasses.dataclass(frozen=True)
class Drum:
    """How a drum is written.

    Attributes:
        name: What it is called.
        place: Its line or space, such as "C5".
        notehead: As MusicXML calls it.
        pitch: What General MIDI plays it with.
        is_played_by_foot: Whether it belongs to the voice of the feet.
        is_in_kit: Whether readers know it by place and head; all others are named where they are first hit.
    """

    name: str
    place: str
    notehead: str
    pitch: int
    is_played_by_foot: bool = False
    is_in_kit: bool = True

    @property
    def height(self) -> int:
        """How high it stands; each line and each space counts one."""
        return int(self.place[1]) * len(_STEPS) + _STEPS.index(self.place[0])


_KICK, SNARE, _SIDE_STICK = (
    Drum("Kick", "F4", ROUND, 36, is_played_by_foot=True),
    Drum("Snare", "C5", ROUND, 38),
    Drum("Side stick", "C5", CROSS, 37),
)
CLOSED_HAT, OPEN_HAT, PEDAL_HAT = (
    Drum("Closed hi-hat", "G5", CROSS, 42),
    Drum("Open hi-hat", "G5", CROSS, 46),
    Drum("Pedal hi-hat", "D4", CROSS, 44, is_played_by_foot=True),
)
_HIGH_TOM, _MID_TOM, _LOW_TOM = (
    Drum("High tom", "E5", ROUND, 50),
    Drum("Mid tom", "D5", ROUND, 47),
    Drum("Low tom", "A4", ROUND, 43),
)
_CRASH, _CRASH_2, _RIDE, _RIDE_BELL = (
    Drum("Crash", "A5", CROSS, 49),
    Drum("Crash 2", "B5", CROSS, 57),
    Drum("Ride", "F5", CROSS, 51),
    Drum("Ride bell", "F5", DIAMOND, 53),
)

_ON_BOTH_KITS = {
    **{35: dataclasses.replace(_KICK, pitch=35), 36: _KICK},
    **{37: _SIDE_STICK, 38: SNARE, 40: dataclasses.replace(SNARE, name="Snare 2", pitch=40)},
    **{42: CLOSED_HAT, 22: CLOSED_HAT, 46: OPEN_HAT, 26: OPEN_HAT, 44: PEDAL_HAT},
    **{50: _HIGH_TOM, 47: _MID_TOM, 43: _LOW_TOM, 41: Drum("Floor tom", "G4", ROUND, 41)},
    **{49: _CRASH, 57: _CRASH_2},
    **{51: _RIDE, 59: dataclasses.replace(_RIDE, name="Ride 2", pitch=59), 53: _RIDE_BELL},
}
_BY_PITCH = {
    # The rims and edges of the Roland kit; General MIDI has a drum of its own on each of these pitches.
    drums.ROLAND: _ON_BOTH_KITS | {48: _HIGH_TOM, 45: _MID_TOM, 58: _LOW_TOM, 55: _CRASH, 52: _CRASH_2},
    drums.GM: _ON_BOTH_KITS
    | {48: dataclasses.replace(_MID_TOM, name="High mid tom", pitch=48), 45: Drum("Tom", "B4", ROUND, 45)}
    | {55: Drum("Splash cymbal", "B5", DIAMOND, 55, is_in_kit=False)}
    | {52: Drum("China cymbal", "C6", CROSS, 52, is_in_kit=False)},
}
# What is in no kit stands where no drum of the kit has such a head.
_SPARE_SIGNS = tuple(itertools.product(("triangle", "square", "slash"), ("E5", "D5", "B4", "A4", "G4")))


def drums_of(pitches: Iterable[int]) -> dict[int, Drum]:
    """Returns how each of a performance's drum pitches is written, in the order of the pitches.

    The pitches themselves tell whether they are the Roland kit's or General MIDI's, as `grooves.drums.evidence` has it;
    where they fit both, they are the Roland kit's. What is in no kit has a place and head of its own, by the order of
    the pitches, and General MIDI's name or its number; from the sixteenth such drum on, signs are used again.
    """
    pitches = list(pitches)
    by_pitch = _BY_PITCH[drums.evidence(pitches) or drums.ROLAND]
    signs = itertools.cycle(_SPARE_SIGNS)
    return {pitch: by_pitch.get(pitch) or _outside_of_kit(pitch, *next(signs)) for pitch in sorted(set(pitches))}


def _outside_of_kit(pitch: int, notehead: str, place: str) -> Drum:
    name = pretty_midi.note_number_to_drum_name(pitch).capitalize() or f"Drum {pitch}"
    return Drum(name, place, notehead, pitch, is_in_kit=False)
