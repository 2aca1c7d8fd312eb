"""What is known of a performance beside its notes, its columns of info.csv and its drum map, kept in NoteSequences."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from grooves import drums

if TYPE_CHECKING:
    from note_seq import NoteSequence

SPLITS = ("train", "validation", "test")
UNKNOWN = 0  # NoteSequence.TextAnnotation.UNKNOWN: the one that note-seq's and Magenta's functions pass over.


def write(sequence: NoteSequence, columns: Mapping[str, str], drum_map: drums.DrumMap) -> None:
    """Keeps what is known of a performance in its NoteSequence.

    Drummer, style and id go where note-seq has fields for such things: the artist, the genres and the title. All of it
    goes into one text annotation, as JSON; an earlier one is replaced. Of a drum map of one's own, which pitch is which
    drum is kept as well, so that a record can be read without the map's file.

    Args:
        sequence: Is changed.
        columns: Of its row in info.csv; empty where there is none.
        drum_map: How its pitches are to be read.
    """
    kept = [annotation for annotation in sequence.text_annotations if _parse(annotation) is None]
    del sequence.text_annotations[:]
    sequence.text_annotations.extend(kept)
    known = {"columns": dict(columns), "drum_map": drum_map.name}
    if drum_map not in drums.DRUM_MAPS:
        known["drums"] = {str(pitch): drums.CLASS_NAMES[n] for pitch, n in enumerate(drum_map.classes) if n >= 0}
    text = json.dumps(known, sort_keys=True)
    sequence.text_annotations.add(time=0, annotation_type=UNKNOWN, text=text)
    metadata = sequence.sequence_metadata
    if columns.get("drummer"):
        metadata.artist = columns["drummer"]
    if columns.get("id"):
        metadata.title = columns["id"]
    if columns.get("style"):
        metadata.genre[:] = [part for part in columns["style"].split("/") if part]


def read(sequence: NoteSequence) -> tuple[dict[str, str], drums.DrumMap | None]:
    """Returns the columns and the drum map that `write` kept; {} and None where it did not, or of an unknown name."""
    for annotation in sequence.text_annotations:
        parsed = _parse(annotation)
        if parsed is not None:
            return parsed
    return {}, None


def _parse(annotation: NoteSequence.TextAnnotation) -> tuple[dict[str, str], drums.DrumMap | None] | None:
    """Returns what `write` put into an annotation; None where the annotation is somebody else's."""
    if annotation.annotation_type != UNKNOWN or not annotation.text.startswith("{"):
        return None
    try:
        kept = json.loads(annotation.text)
        columns, name = kept["columns"], kept["drum_map"]
        if not isinstance(columns, dict) or not all(isinstance(value, str) for value in [*columns.values(), name]):
            return None
        return columns, _own_map(name, kept["drums"]) if "drums" in kept else drums.MAP_BY_NAME.get(name)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None


def _own_map(name: str, drum_by_pitch: Mapping[str, Any]) -> drums.DrumMap:
    """Returns a map of somebody's own; raises what reading something else than such a map raises."""
    return drums.DrumMap.of(name, {int(pitch): drums.CLASS_NAMES.index(drum) for pitch, drum in drum_by_pitch.items()})
