"""The table info.csv in Groove's layout: what it says of each performance, and which split that is in."""

from __future__ import annotations

import csv
import dataclasses
import io
import unicodedata
from collections.abc import Mapping

from grooves.metadata import SPLITS

TABLE_NAME = "info.csv"
SELECTABLE = ("drummer", "style", "beat_type", "time_signature")  # Columns of few values, to choose by.


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
