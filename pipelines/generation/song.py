"""A song: the drums of a MIDI file in beats, whatever its tempo and resolution, and all else that is in the file."""

from __future__ import annotations

import collections
import dataclasses
import pathlib

import mido
import numpy as np

from grooves import channels, drums, timing
from grooves.channels import DrumChannel
from grooves.groove import Groove
from grooves.timing import STEPS_PER_BAR, STEPS_PER_QUARTER
from pipelines.files import midi_files

QUARTERS_PER_BAR = STEPS_PER_BAR // STEPS_PER_QUARTER
MAX_BARS = 10_000


@dataclasses.dataclass(frozen=True, eq=False)
class Notes:
    """Drum notes in the order of their starts, `[n]` arrays.

    Attributes:
        quarters: float64, where each begins, in quarters from the beginning.
        lengths: float64, in quarters.
        pitches: int64, MIDI's.
        velocities: int64, 1 to 127.
    """

    quarters: np.ndarray
    lengths: np.ndarray
    pitches: np.ndarray
    velocities: np.ndarray

    def __len__(self) -> int:
        return len(self.quarters)

    @property
    def steps(self) -> np.ndarray:
        """The sixteenths that they are nearest to, `[n]` int64."""
        return np.floor(self.quarters * STEPS_PER_QUARTER + 0.5).astype(np.int64)

    def taken(self, which: np.ndarray) -> Notes:
        """Returns some of them: `which` are indices or booleans `[n]`."""
        return Notes(*(getattr(self, field.name)[which] for field in dataclasses.fields(self)))

    def in_order(self) -> Notes:
        """Returns them in the order of their starts, then of their pitches."""
        return self.taken(np.lexsort((self.pitches, self.quarters)))


@dataclasses.dataclass(frozen=True, eq=False)
class Song:
    """Bars of four quarters of a MIDI file.

    Attributes:
        label: What people call it: the file's name without its ending.
        notes: The drums, in quarters from the first of its bars.
        classes: `[n]` int8, the drum class of each note, -1 for none.
        tempos: Where, in quarters, which tempo begins, in quarters a minute; the first one at 0.
        num_bars: Its length.
        midi: The file that it is from.
        first_bar: Which bar of the file its first one is, from 0.
        drum_channel: Which channel of the file has the drums, counted from 1, or all.
        ends_early: Whether it ends where somebody said so; else what is in the file besides may go on after it.
    """

    label: str
    notes: Notes
    classes: np.ndarray
    tempos: tuple[tuple[float, float], ...]
    num_bars: int
    midi: mido.MidiFile
    first_bar: int = 0
    drum_channel: DrumChannel = channels.PERCUSSION
    ends_early: bool = False

    @property
    def qpm(self) -> float:
        """The tempo at the beginning."""
        return self.tempos[0][1]

    def groove(self) -> Groove:
        """Returns its bars as a groove `[num_bars * 16, 9]`: of several notes in one cell, the loudest."""
        has_class = self.classes >= 0
        notes, steps = self.notes.taken(has_class), self.notes.steps[has_class]
        offsets = (steps - notes.quarters * STEPS_PER_QUARTER) * 2
        return Groove.from_notes(
            steps,
            self.classes[has_class].astype(np.int64),
            notes.velocities / 127,
            np.clip(offsets, -1, 1),
            num_steps=self.num_bars * STEPS_PER_BAR,
            qpm=self.qpm,
        )

    def bars(self, first_bar: int, num_bars: int) -> Song:
        """Returns some of its bars, from `first_bar` on, which is counted from 0 here.

        A note belongs to the bar of the sixteenth that it is nearest to: one a little before the bar line opens the
        bar, and begins a little before quarter 0.
        """
        start = first_bar * QUARTERS_PER_BAR
        steps = self.notes.steps // STEPS_PER_BAR
        inside = (steps >= first_bar) & (steps < first_bar + num_bars)
        notes = self.notes.taken(inside)
        before = [tempo for quarter, tempo in self.tempos if quarter <= start]
        later = [(quarter - start, tempo) for quarter, tempo in self.tempos if quarter > start]
        return dataclasses.replace(
            self,
            notes=dataclasses.replace(notes, quarters=notes.quarters - start),
            classes=self.classes[inside],
            tempos=((0.0, before[-1]), *(change for change in later if change[0] < num_bars * QUARTERS_PER_BAR)),
            num_bars=num_bars,
            first_bar=self.first_bar + first_bar,
        )


def read(
    path: pathlib.Path, drum_channel: DrumChannel = channels.PERCUSSION, drum_map: drums.DrumMap | None = None
) -> Song:
    """Reads the drums of a MIDI file.

    Args:
        path: The file.
        drum_channel: Which of its channels has them.
        drum_map: How its pitches are read. None takes the Roland kit or General MIDI, whichever the notes speak for.

    Returns:
        All of its bars, up to that of the last hit.

    Raises:
        OSError: there is no such file.
        ValueError: it cannot be read, is not in 4/4, or has no drums on that channel; why, for a musician.
    """
    midi = parse(path)
    of_channels = _notes(midi)
    notes = [n for channel, found in of_channels.items() if channels.has_drums(channel, drum_channel) for n in found]
    if not of_channels:
        raise ValueError(f"{path}: has no notes at all")
    if not notes:
        counts = {channel: len(found) for channel, found in of_channels.items()}
        raise ValueError(f"{path}: no drums: {channels.where_notes_are(drum_channel, counts)}")
    _check_metre(path, midi)
    found = _in_quarters(notes, midi)
    if found is None or (num_bars := timing.bar_after(found.steps[-1]) // STEPS_PER_BAR) > MAX_BARS:
        raise ValueError(f"{path}: has more than {MAX_BARS} bars, which are not read; is a note at its end a mistake?")
    chosen = drum_map or drums.evidence(found.pitches.tolist()) or drums.ROLAND
    label = midi_files.printable(path.stem)
    return Song(label, found, chosen.table[found.pitches], _tempos(midi), num_bars, midi, drum_channel=drum_channel)


def parse(path: pathlib.Path) -> mido.MidiFile:
    """Parses a MIDI file whose time is in beats; errors as `read`."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such MIDI file" if not path.is_dir() else f"{path}: this is a folder")
    with midi_files.reading(path):
        midi = mido.MidiFile(path)
    if midi.type not in (0, 1):
        what = "in which each track is a song" if midi.type == 2 else "which MIDI does not have"
        raise ValueError(f"{path}: a MIDI file of type {midi.type}, {what}; export it as type 0 or 1")
    if midi.ticks_per_beat < 0:
        raise ValueError(f"{path}: counts time in SMPTE frames, not in beats; export it with ticks per quarter note")
    if midi.ticks_per_beat == 0:
        raise ValueError(f"{path}: damaged: it has 0 ticks per quarter note; export it again")
    return midi


def last_tick(midi: mido.MidiFile) -> int:
    """Returns where the last bar that is read ends; what comes later in a file is a mistake or damage."""
    return MAX_BARS * QUARTERS_PER_BAR * midi.ticks_per_beat


def _notes(midi: mido.MidiFile) -> dict[int, list[tuple[int, int, int, int]]]:
    """Returns the notes of each channel, from 1, that has any: start and end in ticks, pitch, velocity."""
    found = collections.defaultdict(list)
    for track in midi.tracks:
        tick, sounding = 0, collections.defaultdict(list)
        for message in track:
            tick += message.time
            if message.type == "note_on" and message.velocity:
                sounding[message.channel, message.note].append((tick, message.velocity))
            elif message.type in ("note_on", "note_off") and sounding[message.channel, message.note]:
                start, velocity = sounding[message.channel, message.note].pop(0)
                found[message.channel + 1].append((start, tick, message.note, velocity))
        for (channel, pitch), starts in sounding.items():  # Nothing ends them.
            found[channel + 1] += [(start, tick, pitch, velocity) for start, velocity in starts]
    return dict(sorted(found.items()))


def _in_quarters(notes: list[tuple[int, int, int, int]], midi: mido.MidiFile) -> Notes | None:
    """Returns notes as `_notes` does in order; None where one begins after the last bar that is read."""
    last = last_tick(midi)
    if max(notes)[0] > last:  # Damaged files have ticks that no array holds.
        return None
    kept = [(start, min(end, last), *rest) for start, end, *rest in notes]
    starts, ends, pitches, velocities = np.array(kept, np.int64).T
    return Notes(starts / midi.ticks_per_beat, (ends - starts) / midi.ticks_per_beat, pitches, velocities).in_order()


def _check_metre(path: pathlib.Path, midi: mido.MidiFile) -> None:
    metres = [(m.numerator, m.denominator) for track in midi.tracks for m in track if m.type == "time_signature"]
    others = [f"{n}/{d}" for n, d in dict.fromkeys(metres) if n * QUARTERS_PER_BAR != d * QUARTERS_PER_BAR]
    if others:
        raise ValueError(f"{path}: in {', '.join(others)}; the models know bars of 4/4 alone")


def _tempos(midi: mido.MidiFile) -> tuple[tuple[float, float], ...]:
    """Returns where which tempo begins: quarters, and quarters a minute."""
    changes = {0: timing.QPM}
    for track in midi.tracks:
        tick = 0
        for message in track:
            tick += message.time
            if message.type == "set_tempo" and message.tempo and tick <= last_tick(midi):
                changes[tick] = 60e6 / message.tempo
    tempos: list[tuple[float, float]] = []
    for tick, qpm in sorted(changes.items()):
        if not tempos or tempos[-1][1] != qpm:
            tempos.append((tick / midi.ticks_per_beat, qpm))
    return tuple(tempos)
