"""Bars of a performance: counted, cut out, laid on a constant tempo."""

from __future__ import annotations

import copy
import io

import numpy as np

from grooves import timing
from grooves.timing import QPM, STEPS_PER_BAR, STEPS_PER_QUARTER
from pipelines.dataset.formats import midi
from pipelines.dataset.formats.midi import note_seq, pretty_midi  # Imported there without their noise.


def read_at_constant_tempo(file: bytes) -> note_seq.NoteSequence:
    """Parses a MIDI file and lays it on its beats: `QPM` throughout, whatever its tempo map does.

    Raises:
        ValueError: it is not a MIDI file, or a damaged one.
    """
    sequence = midi.read_midi(file)
    if len(sequence.tempos) <= 1:
        return sequence
    parsed = pretty_midi.PrettyMIDI(io.BytesIO(file))
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
    last_secs = max((note.start_time for note in sequence.notes if note.is_drum), default=0.0)
    last_step = timing.nearest_steps(np.array(last_secs), timing.qpm_of(sequence))
    return timing.bar_after(last_step) // STEPS_PER_BAR


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
    shift_secs = timing.steps_to_secs(first_step, timing.qpm_of(sequence))

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
