"""The notes of a MIDI file as a picture shows them: in rows, on a grid of bars, beats and sixteenths."""

from __future__ import annotations

import dataclasses
import itertools
import math
import pathlib
import warnings

from grooves import drums, timing
from pipelines.files import midi_files

with midi_files.importing_libraries():
    import pretty_midi

_CLASS_OF_PITCH = {
    pitch: name for name, pitches in zip(drums.CLASS_NAMES, drums.ROLAND_CLASSES, strict=True) for pitch in pitches
}


@dataclasses.dataclass(frozen=True)
class Note:
    start_secs: float
    end_secs: float
    pitch: int
    velocity: int  # 1 to 127.
    is_drum: bool


@dataclasses.dataclass(frozen=True)
class Score:
    """What a MIDI file holds. The grids are times; `bar_secs` ends with the end of the last bar."""

    notes: tuple[Note, ...]
    bar_secs: tuple[float, ...]
    beat_secs: tuple[float, ...]
    step_secs: tuple[float, ...]
    qpms: tuple[float, ...]  # Every tempo, in order.

    @property
    def num_bars(self) -> int:
        return len(self.bar_secs) - 1

    @property
    def secs(self) -> float:
        return self.bar_secs[-1]


def read(midi_path: pathlib.Path, min_bars: int = 1) -> Score:
    """Reads a MIDI file into notes and a grid of whole bars that holds every onset, and at least so many bars.

    Raises:
        ValueError: the file cannot be read.
    """
    with midi_files.reading(midi_path), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Tempo changes outside the first track: read all the same.
        midi = pretty_midi.PrettyMIDI(str(midi_path))
        notes = sorted(
            (
                Note(note.start, note.end, note.pitch, note.velocity, instrument.is_drum)
                for instrument in midi.instruments
                for note in instrument.notes
            ),
            key=lambda note: (note.start_secs, note.pitch),
        )
        last_tick = midi.time_to_tick(notes[-1].start_secs) if notes else 0
        bars, beats, steps = (_times(midi, ticks) for ticks in _grid(midi, last_tick, min_bars))
        qpms = tuple(float(qpm) for qpm in midi.get_tempo_changes()[1])
        return Score(tuple(notes), bars, beats, steps, qpms)


def row_of(note: Note) -> str:
    """Returns the label of a note's row: its drum class, its drum's name where it has none, or its pitch."""
    if not note.is_drum:
        return pretty_midi.note_number_to_name(note.pitch)
    name = _CLASS_OF_PITCH.get(note.pitch) or pretty_midi.note_number_to_drum_name(note.pitch)
    return name.lower() or f"drum {note.pitch}"


def rows(score: Score) -> list[str]:
    """Returns the rows' labels, the lowest first: the drum classes in kit order, other drums, pitches."""
    hits = [note for note in score.notes if note.is_drum]
    others = {note.pitch: row_of(note) for note in hits if note.pitch not in _CLASS_OF_PITCH}
    pitches = [note.pitch for note in score.notes if not note.is_drum]
    labels = list(drums.CLASS_NAMES) if hits or not pitches else []
    labels += [label for _, label in sorted(others.items())]
    if pitches:
        labels += [pretty_midi.note_number_to_name(pitch) for pitch in range(min(pitches), max(pitches) + 1)]
    return labels


def _grid(midi: pretty_midi.PrettyMIDI, last_tick: int, min_bars: int) -> tuple[list[float], list[float], list[float]]:
    """Returns the ticks of bars (one more than there are), beats and sixteenths, to the end of `last_tick`'s bar."""
    changes = [
        (midi.time_to_tick(change.time), change.numerator, change.denominator) for change in midi.time_signature_changes
    ]
    if not changes or changes[0][0] > 0:
        changes.insert(0, (0, 4, 4))
    bars, beats, steps = [], [], []
    for (start, numerator, denominator), (end, *_) in itertools.pairwise([*changes, (math.inf, 0, 0)]):
        beat = midi.resolution * 4 / denominator
        step = midi.resolution / timing.STEPS_PER_QUARTER
        tick = start
        while tick < end and (tick <= last_tick or len(bars) < min_bars):
            bars.append(tick)
            beats += [tick + n * beat for n in range(numerator)]
            steps += [tick + n * step for n in range(round(numerator * beat / step))]
            tick += numerator * beat
    return [*bars, tick], beats, steps


def _times(midi: pretty_midi.PrettyMIDI, ticks: list[float]) -> tuple[float, ...]:
    return tuple(float(midi.tick_to_time(round(tick))) for tick in ticks)
