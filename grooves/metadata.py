"""What is known of a performance beside its notes, its columns of info.csv and its drum map, kept in NoteSequences."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from note_seq import NoteSequence

SPLITS = ("train", "validation", "test")
UNKNOWN = 0  # NoteSequence.TextAnnotation.UNKNOWN: the one that note-seq's and Magenta's functions pass over.


def write(sequence: NoteSequence, columns: Mapping[str, str], drum_map: str) -> None:
    """Keeps what is known of a performance in its NoteSequence.

    Drummer, style and id go where note-seq has fields for such things: the artist, the genres and the title. All of it
    goes into one text annotation, as JSON; an earlier one is replaced.

    Args:
        sequence: Is changed.
        columns: Of its row in info.csv; empty where there is none.
        drum_map: "roland" or "gm": how its pitches are to be read.
    """
    kept = [annotation for annotation in sequence.text_annotations if _parse(annotation) is None]
    del sequence.text_annotations[:]
    sequence.text_annotations.extend(kept)
    text = json.dumps({"columns": dict(columns), "drum_map": drum_map}, sort_keys=True)
    sequence.text_annotations.add(time=0, annotation_type=UNKNOWN, text=text)
    metadata = sequence.sequence_metadata
    if columns.get("drummer"):
        metadata.artist = columns["drummer"]
    if columns.get("id"):
        metadata.title = columns["id"]
    if columns.get("style"):
        metadata.genre[:] = [part for part in columns["style"].split("/") if part]


def read(sequence: NoteSequence) -> tuple[dict[str, str], str]:
    """Returns the columns and the drum map that `write` kept; {} and "" where it did not."""
    for annotation in sequence.text_annotations:
        parsed = _parse(annotation)
        if parsed is not None:
            return parsed
    return {}, ""


def _parse(annotation: NoteSequence.TextAnnotation) -> tuple[dict[str, str], str] | None:
    """Returns what `write` put into an annotation; None where the annotation is somebody else's."""
    if annotation.annotation_type != UNKNOWN or not annotation.text.startswith("{"):
        return None
    try:
        kept = json.loads(annotation.text)
        columns, drum_map = kept["columns"], kept["drum_map"]
    except (ValueError, KeyError, RecursionError):
        return None
    if not isinstance(columns, dict) or not all(isinstance(value, str) for value in [*columns.values(), drum_map]):
        return None
    return columns, drum_map
