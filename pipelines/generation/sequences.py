"""NoteSequences that decoders of any kind give, as MIDI files."""

from __future__ import annotations

import os
import pathlib

import numpy as np

from models.inference import TrainedModel
from models.magenta import note_seq
from pipelines.files import atomic

MIN_NOTE_SECS = 0.01


def to_sequences(model: TrainedModel, tensors: np.ndarray) -> list[note_seq.NoteSequence]:
    """Returns decoded tensors `[n, steps, output_depth]` as NoteSequences that can be written as MIDI."""
    sequences = model.config.data_converter.from_tensors(tensors)
    for sequence in sequences:
        make_playable(sequence)
    return sequences


def make_playable(sequence: note_seq.NoteSequence) -> None:
    """Mends in place what MIDI cannot hold.

    GrooVAE's offsets can put the first hit before time 0; its velocities can be 0, which MIDI reads as a note's end.
    """
    for note in sequence.notes:
        note.start_time = max(0.0, note.start_time)
        note.end_time = max(note.start_time + MIN_NOTE_SECS, note.end_time)
        note.velocity = max(1, note.velocity)
    sequence.total_time = max((note.end_time for note in sequence.notes), default=0.0)


def write_midi(
    sequences: list[note_seq.NoteSequence], output_dir: str | os.PathLike[str], stem: str
) -> list[pathlib.Path]:
    """Writes `stem-000-of-00N.mid` and so on, each file whole or not at all. Returns the paths."""
    paths = []
    for number, sequence in enumerate(sequences):
        path = pathlib.Path(output_dir) / f"{stem}-{number:03d}-of-{len(sequences):03d}.mid"
        with atomic.replacing(path) as partial:
            note_seq.sequence_proto_to_midi_file(sequence, str(partial))
        paths.append(path)
    return paths
