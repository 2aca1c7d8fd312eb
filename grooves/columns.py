"""What Groove's info.csv says of each performance: read from the table, kept in NoteSequences, read back from there."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import unicodedata
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from note_seq import NoteSequence

SPLITS = ("train", "validation", "test")
TABLE_NAME = "info.csv"
SELECTABLE = ("drummer", "style", "beat_type", "time_signature")  # Columns of few values, to choose by.
UNKNOWN = 0  # NoteSequence.TextAnnotation.UNKNOWN: the one that note-seq's and Magenta's functions pass over.


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """A line of an info.csv.

    Attributes:
        name: The path of its MIDI file, from the folder or zip that is read on.
        line: Its number, counted from 1.
        header: The names of the columns.
        values: Theirs, in the same order.
    """

    name: str
    line: int
    header: tuple[str, ...]
    values: tuple[str, ...]

    def columns(self) -> dict[str, str]:
        """Returns the values by the columns' names."""
        return dict(zip(self.header, self.values, strict=True))

    @property
    def split(self) -> str:
        """ "train", "validation" or "test"."""
        return self.values[self.header.index("split")]


def key(name: str) -> str:
    """Returns what two spellings of a path have in common: slashes of Windows, and the accents of macOS."""
    return unicodedata.normalize("NFC", name.replace("\\", "/")).removeprefix("./")


def read_table(table: bytes, folder: str) -> dict[str, Row]:
    """Reads an info.csv in Groove's layout.

    Args:
        table: The file. Of its columns, midi_filename and split are needed; all are kept.
        folder: Where it lies, ending in a slash, or "".

    Returns:
        Its rows by the `key` of their MIDI files.

    Raises:
        ValueError: a column is missing, a split has another name, or a file is in two of them.
    """
    rows: dict[str, Row] = {}
    shared: dict[str, str] = {}  # Most values occur many times, and are kept once.
    try:
        reader = csv.DictReader(io.StringIO(table.decode("utf-8-sig", errors="replace")))
        if not {"midi_filename", "split"} <= set(reader.fieldnames or ()):
            raise ValueError(f"it needs the columns midi_filename and split; found {reader.fieldnames}")
        header = tuple(reader.fieldnames)
        for record in reader:
            values = tuple(shared.setdefault(record[column] or "", record[column] or "") for column in header)
            row = Row(folder + key(record["midi_filename"] or ""), reader.line_num, header, values)
            _check(record, row, rows.get(key(row.name)))
            rows[key(row.name)] = row
    except csv.Error as error:
        raise ValueError(str(error)) from error
    return rows


def _check(record: Mapping[str, str | None], row: Row, earlier: Row | None) -> None:
    if record["split"] not in SPLITS or not record["midi_filename"]:
        raise ValueError(
            f"line {row.line}: file {record['midi_filename']!r} in split {record['split']!r};"
            f" accepted splits: {', '.join(SPLITS)}"
        )
    if earlier and earlier.split != row.split:
        raise ValueError(
            f"line {row.line}: file {record['midi_filename']!r} in split {row.split!r},"
            f" and on line {earlier.line} in {earlier.split!r}"
        )


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
