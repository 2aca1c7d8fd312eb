"""What performances are called, and their styles: their record says."""

from __future__ import annotations

import pathlib
from collections.abc import Collection

import numpy as np

from grooves import metadata
from models.magenta import note_seq
from pipelines.examples import note_sequences


def of_performances(performances: note_sequences.Performances, numbers: Collection[int]) -> dict[int, str]:
    """Returns the names of some performances by their numbers, which count the NoteSequences from 0.

    Raises:
        ValueError: one of them is no NoteSequence.
    """
    wanted = set(numbers)
    return {
        number: of_sequence(note_sequences.parse(record)) or f"performance {number + 1}"
        for number, record in enumerate(performances.read())
        if number in wanted
    }


def styles(performances: note_sequences.Performances) -> np.ndarray:
    """Returns `[num_performances]` int64, equal where the primary styles are, as "funk"; all unknown ones are equal.

    Raises:
        ValueError: one of them is no NoteSequence.
    """
    genres = [note_sequences.parse(record).sequence_metadata.genre for record in performances.read()]
    return np.unique([genre[0] if genre else "" for genre in genres], return_inverse=True)[1]


def of_sequence(sequence: note_seq.NoteSequence) -> str:
    """Returns "drummer1/session1/1, funk/groove1" by Groove's columns, else its file's name; empty without either."""
    columns, _ = metadata.read(sequence)
    named = columns.get("id") or pathlib.PurePath(sequence.filename).stem or sequence.id
    return ", ".join(part for part in (named, columns.get("style")) if part)
