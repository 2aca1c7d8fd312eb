"""From a MIDI file to what the encoder of a TensorFlow model takes: bars counted, cut out, at a constant tempo."""

from __future__ import annotations

import copy
import io
import pathlib

import configs
from grooves import drums, timing
from grooves.timing import QPM, STEPS_PER_BAR, STEPS_PER_QUARTER
from models.magenta import data
from pipelines.dataset.formats import midi
from pipelines.dataset.formats.midi import note_seq, pretty_midi  # Imported there without their noise.
from pipelines.examples import loading


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


def count_bars(sequence: note_seq.NoteSequence) -> int:
    """Returns the number of 4/4 bars until the last hit's, the bars before the first one included."""
    last_secs = max((note.start_time for note in sequence.notes if note.is_drum), default=0.0)
    last_step = timing.nearest_steps(last_secs, timing.qpm_of(sequence))
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


def read_example(config: configs.Config, path: str, start_bar: int | None) -> data.ConverterTensors:
    """Returns the one example that a MIDI file gives.

    Args:
        config: Whose encoder it is for.
        path: A MIDI file; for drum configs with at least four bars of drums.
        start_bar: Which four bars, counted from 1; None takes the first four that have drums in them.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it gives no example, and why.
    """
    content = pathlib.Path(path).expanduser().read_bytes()
    try:
        sequence = read_at_constant_tempo(content)
        if not isinstance(config.data_converter, data.DrumsConverter | data.GrooveConverter):
            return _only_example(loading.tensors_of(config.data_converter, sequence))
        reason = drums.reason_to_skip(sequence)
        if reason:
            raise ValueError(reason)
        num_bars = config.hparams.max_seq_len // timing.STEPS_PER_BAR
        for first_bar in [start_bar] if start_bar else range(1, count_bars(sequence) + 1):
            tensors = loading.tensors_of(config.data_converter, cut_bars(sequence, first_bar, num_bars))
            if tensors.inputs:
                return tensors
        place = f"bars {start_bar} to {start_bar + num_bars - 1}" if start_bar else f"any {num_bars} bars in a row"
        raise ValueError(
            f"no drums throughout {place} of its {count_bars(sequence)};"
            f" {num_bars} bars without a bar of silence are needed, --start_bar chooses where they begin"
        )
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _only_example(tensors: data.ConverterTensors) -> data.ConverterTensors:
    if len(tensors.inputs) != 1:
        raise ValueError(f"gives {len(tensors.inputs)} examples for this config; one is needed, so cut the MIDI to it")
    return tensors
