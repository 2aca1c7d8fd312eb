"""One performance that is not read yet, whatever input it is from, and the places that its bytes can be in."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import pathlib
from collections.abc import Callable, Container, Mapping
from typing import BinaryIO, Protocol

from grooves.metadata import SPLITS
from pipelines.dataset.inputs.info_csv import TABLE_NAME
from pipelines.dataset.inputs.names import Names
from pipelines.files import midi_files

MIDI, MUSICXML, NOTESEQUENCE = "midi", "musicxml", "notesequence"
KIND_BY_SUFFIX = dict.fromkeys(midi_files.SUFFIXES, MIDI) | dict.fromkeys((".musicxml", ".xml", ".mxl"), MUSICXML)
MAX_MIDI_BYTES = 16 * 2**20  # The largest file of Groove has 0.16 MB; a zip can promise anything.


class Location(Protocol):
    """A place of bytes: small, so that other processes are sent the place instead of the bytes."""

    def read(self, max_bytes: int) -> bytes:
        """Returns the bytes.

        Raises:
            OSError: they cannot be read.
            ValueError: there are more than `max_bytes`, or they are damaged.
        """


@dataclasses.dataclass(frozen=True)
class InFolder:
    """A file on disk."""

    path: str

    def read(self, max_bytes: int) -> bytes:
        with pathlib.Path(self.path).open("rb") as file:
            return read_at_most(file, max_bytes)


@dataclasses.dataclass(frozen=True)
class Inline:
    """Bytes that are here already, such as a record of TFDS."""

    content: bytes

    def read(self, max_bytes: int) -> bytes:
        return self.content


@dataclasses.dataclass(frozen=True)
class Unreadable:
    """A place that nothing can be read from, with the reason."""

    reason: str

    def read(self, max_bytes: int) -> bytes:
        raise ValueError(self.reason)


@dataclasses.dataclass(frozen=True)
class Files:
    """What a folder or a zip holds.

    Attributes:
        names: Paths inside of it with forward slashes, sorted.
        locate: Returns the place of a name.
        repeated: What was left out because it is there already, by name, each with what it repeats.
    """

    names: Names
    locate: Callable[[str], Location]
    repeated: Mapping[str, str]


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


def read_at_most(file: BinaryIO, max_bytes: int) -> bytes:
    """Returns what is left in a file; raises ValueError where that is more than `max_bytes`."""
    content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise ValueError(f"larger than {max_bytes >> 20} MiB")
    return content


def split_by_hash(name: str) -> str:
    """Returns a split that depends on nothing but the name: 80 % train, 10 % validation, 10 % test."""
    tenth = int(hashlib.sha256(name.encode()).hexdigest(), 16) % 10
    return SPLITS[max(0, tenth - 7)]


def kind_of(name: str) -> str | None:
    """Returns the kind of a file by the ending of its name; None where it is none to convert."""
    return KIND_BY_SUFFIX.get(pathlib.PurePosixPath(name).suffix.lower())


def is_wanted(file_name: str) -> bool:
    """Whether a file, by its name without its folders, is one to convert or a table of such files."""
    return file_name == TABLE_NAME or kind_of(file_name) is not None


def unused(name: str, used: Container[str], numbered: str, first: int = 2) -> str:
    """Returns `name`, or where it is used, it with the `first` free number; `numbered`, such as "{}-{}", says how."""
    names = itertools.chain([name], (numbered.format(name, number) for number in itertools.count(first)))
    return next(candidate for candidate in names if candidate not in used)
