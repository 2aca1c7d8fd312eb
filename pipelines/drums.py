"""Drums in NoteSequences: from MIDI, onto the nine classes, cut to the bars that a model takes."""

from __future__ import annotations

import copy
import io

from models import environment  # noqa: F401  Before note_seq and magenta.

import note_seq
import pretty_midi
from magenta.models.music_vae import data

CLASS_NAMES = (
    "kick", "snare", "closed hi-hat", "open hi-hat", "low tom", "mid tom", "high tom", "crash", "ride",
)  # fmt: skip
QPM = 120.0  # The tempo that Magenta's converters write.
STEPS_PER_QUARTER = 4
STEPS_PER_BAR = 16

_ROLAND_PITCHES = {pitch for pitches in data.ROLAND_DRUM_PITCH_CLASSES for pitch in pitches}
# General MIDI's pitches that the Roland kit lacks, such as kick 35, as the first Roland pitch of the same class.
_ROLAND_BY_GM_PITCH = {
    pitch: roland[0]
    for roland, gm in zip(data.ROLAND_DRUM_PITCH_CLASSES, data.REDUCED_DRUM_PITCH_CLASSES, strict=True)
    for pitch in gm
    if pitch not in _ROLAND_PITCHES
}


def read_midi(midi: bytes) -> note_seq.NoteSequence:
    """Parses a MIDI file.

    Raises:
        ValueError: it is not a MIDI file, or a damaged one.
    """
    try:
        # Parsed here, because note-seq would take Ctrl-C for a damaged file.
        return note_seq.midi_to_note_sequence(pretty_midi.PrettyMIDI(io.BytesIO(midi)))
    except Exception as error:  # The parsers raise nearly everything, at an early end without a text.
        detail = (str(error).strip().splitlines() or ["the file ends too early"])[0]
        raise ValueError(f"unreadable MIDI: {detail[:120]}") from error


def reason_to_skip(sequence: note_seq.NoteSequence) -> str:
    """Returns why a NoteSequence cannot give four-four drum examples, or "" if it can."""
    if not sequence.notes:
        return "no notes"
    if not any(note.is_drum for note in sequence.notes):
        return "no drums: nothing on MIDI channel 10"
    metres = [f"{metre.numerator}/{metre.denominator}" for metre in sequence.time_signatures]
    if metres and "4/4" not in metres:
        return f"not in 4/4: {', '.join(dict.fromkeys(metres))}"
    return ""


def on_roland_kit(sequence: note_seq.NoteSequence) -> note_seq.NoteSequence:
    """Returns the drum notes alone, pitches outside of the Roland kit moved to the kit's pitch of the same class.

    Groove was played on a Roland TD-11; its pitches stay. Hits that are in no class are left out.
    """
    kit = copy.copy(sequence)
    del kit.notes[:]
    for note in sequence.notes:
        pitch = note.pitch if note.pitch in _ROLAND_PITCHES else _ROLAND_BY_GM_PITCH.get(note.pitch)
        if note.is_drum and pitch is not None:
            kit.notes.add().CopyFrom(note)
            kit.notes[-1].pitch = pitch
    return kit


def read_at_constant_tempo(midi: bytes) -> note_seq.NoteSequence:
    """Parses a MIDI file and lays it on its beats: `QPM` throughout, whatever its tempo map does.

    Raises:
        ValueError: it is not a MIDI file, or a damaged one.
    """
    sequence = read_midi(midi)
    if len(sequence.tempos) <= 1:
        return sequence
    parsed = pretty_midi.PrettyMIDI(io.BytesIO(midi))
    secs_per_tick = 60 / QPM / parsed.resolution
    for event in [*sequence.notes, *sequence.time_signatures]:
        if hasattr(event, "start_time"):
            event.start_time, event.end_time = (
                parsed.time_to_tick(secs) * secs_per_tick for secs in (event.start_time, event.end_time)
            )
        else:
            event.time = parsed.time_to_tick(event.time) * secs_per_tick
    sequence.total_time = parsed.time_to_tick(sequence.total_time) * secs_per_tick
    del sequence.tempos[:]
    sequence.tempos.add(qpm=QPM)
    return sequence


def num_bars(sequence: note_seq.NoteSequence) -> int:
    """Returns the number of 4/4 bars until the last hit's, the bars before the first one included."""
    qpm = sequence.tempos[0].qpm if sequence.tempos else QPM
    last_secs = max((note.start_time for note in sequence.notes if note.is_drum), default=0.0)
    return round(last_secs * qpm / 60 * STEPS_PER_QUARTER) // STEPS_PER_BAR + 1


def cut_bars(sequence: note_seq.NoteSequence, first_bar: int, bars: int) -> note_seq.NoteSequence:
    """Returns `bars` bars of drums from `first_bar` on (counted from 1), moved to time 0.

    A hit belongs to the bar of the sixteenth that it is nearest to: one a little before the bar line opens the bar.

    Raises:
        ValueError: the metre is not 4/4.
    """
    metres = {(metre.numerator, metre.denominator) for metre in sequence.time_signatures} or {(4, 4)}
    if metres != {(4, 4)}:
        raise ValueError(f"in {', '.join(f'{n}/{d}' for n, d in sorted(metres))}; four bars of 4/4 are needed")
    quantized = note_seq.quantize_note_sequence(sequence, STEPS_PER_QUARTER)
    first_step, last_step = (first_bar - 1) * STEPS_PER_BAR, (first_bar - 1 + bars) * STEPS_PER_BAR
    qpm = sequence.tempos[0].qpm if sequence.tempos else QPM
    shift_secs = first_step * 60 / qpm / STEPS_PER_QUARTER

    window = copy.copy(sequence)
    del window.notes[:]
    for note, quantized_note in zip(sequence.notes, quantized.notes, strict=True):
        if note.is_drum and first_step <= quantized_note.quantized_start_step < last_step:
            moved = window.notes.add()
            moved.CopyFrom(note)
            moved.start_time = max(0.0, note.start_time - shift_secs)
            moved.end_time = max(moved.start_time, note.end_time - shift_secs)
    window.total_time = max((note.end_time for note in window.notes), default=0.0)
    return window
