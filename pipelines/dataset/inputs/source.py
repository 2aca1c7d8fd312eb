"""One performance that is not read yet, whatever input it is from."""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib
from collections.abc import Mapping

from grooves.metadata import SPLITS
from pipelines.dataset.inputs.locations import Location
from pipelines.files import midi_files

MIDI, MUSICXML, NOTESEQUENCE = "midi", "musicxml", "notesequence"
MUSICXML_SUFFIXES = (".musicxml", ".xml", ".mxl")
KIND_BY_SUFFIX = dict.fromkeys(midi_files.SUFFIXES, MIDI) | dict.fromkeys(MUSICXML_SUFFIXES, MUSICXML)
MAX_MIDI_BYTES = 16 * 2**20  # The largest file of Groove has 0.16 MB; a zip can promise anything.


@dataclasses.dataclass(frozen=True)
class Source:
    """One performance, not read yet.

    Attributes:
        name: Its path inside of the collection, with forward slashes.
        collection: The collection's name.
        split: "train", "validation" or "test".
        kind: "midi", "musicxml" or "notesequence".
        columns: Its row of info.csv, or what TFDS says of it; {} where nothing does.
        location: Where its bytes are.
    """

    name: str
    collection: str
    split: str
    kind: str
    columns: Mapping[str, str]
    location: Location

    def read(self) -> bytes:
        """Returns the MIDI or MusicXML file, or the serialized NoteSequence.

        Raises:
            OSError: it cannot be read.
            ValueError: it is damaged, refused or larger than `MAX_MIDI_BYTES`; says which.
        """
        return self.location.read(MAX_MIDI_BYTES)


def split_by_hash(name: str) -> str:
    """Returns a split that depends on nothing but the name: 80 % train, 10 % validation, 10 % test."""
    tenth = int(hashlib.sha256(name.encode()).hexdigest(), 16) % 10
    return SPLITS[max(0, tenth - 7)]


def kind_of(name: str) -> str | None:
    """Returns the kind of a file by the ending of its name; None where it is none to convert."""
    return KIND_BY_SUFFIX.get(pathlib.PurePosixPath(name).suffix.lower())
