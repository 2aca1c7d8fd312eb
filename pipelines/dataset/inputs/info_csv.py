"""The table info.csv in Groove's layout: what it says of each performance, and which split that is in."""

from __future__ import annotations

import csv
import dataclasses
import io
import sys
import unicodedata

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
    reader = csv.DictReader(io.StringIO(table.decode("utf-8-sig", errors="replace")))
    try:
        header = tuple(reader.fieldnames or ())
        if not {"midi_filename", "split"} <= set(header):
            raise ValueError(f"it needs the columns midi_filename and split; found {reader.fieldnames}")
        for record in reader:
            file, split, line = record["midi_filename"], record["split"], reader.line_num
            if split not in SPLITS or not file:
                raise ValueError(f"line {line}: file {file!r} in split {split!r}; accepted splits: {', '.join(SPLITS)}")
            values = tuple(sys.intern(record[column] or "") for column in header)  # Most occur many times.
            row = Row(folder + key(file), line, header, values)
            earlier = rows.get(key(row.name), row)
            if earlier.split != split:
                raise ValueError(
                    f"line {line}: file {file!r} in split {split!r}, and on line {earlier.line} in {earlier.split!r}"
                )
            rows[key(row.name)] = row
    except csv.Error as error:
        raise ValueError(str(error)) from error
    return rows
