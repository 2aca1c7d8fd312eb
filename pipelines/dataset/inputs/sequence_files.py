"""TFRecords of NoteSequences that somebody made: which files are meant, and what each record is called."""

from __future__ import annotations

import dataclasses
import glob
import itertools
import pathlib
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from grooves import metadata
from pipelines.dataset.formats import tfrecords
from pipelines.dataset.inputs.locations import Inline, Location, Unreadable

if TYPE_CHECKING:
    from note_seq import NoteSequence

_SPLIT_BY_WORD = {"train": "train", "valid": "validation", "eval": "validation", "test": "test"}
_SHARD = re.compile(r"-\d{5,}-of-(\d{5,})$")
_SUFFIX = re.compile(r"\.tfrecords?(?=[.-]|$).*", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Record:
    """One record: what it is called, its split (empty where nothing says it), its columns, and its bytes' place."""

    name: str
    split: str
    columns: dict[str, str]
    location: Location


def find(given: str) -> list[pathlib.Path]:
    """Returns the files that a glob or the prefix of a sharded file means, sorted.

    Raises:
        ValueError: shards are missing, or something else than a file matches.
    """
    pattern = str(pathlib.Path(given).expanduser())
    paths = sorted(glob.glob(pattern))  # noqa: PTH207  A pattern can be absolute, which Path.glob does not take.
    if not paths:
        paths = sorted(path for path in glob.glob(f"{glob.escape(pattern)}-*-of-*") if _SHARD.search(path))  # noqa: PTH207
        if paths and len(paths) != int(_SHARD.search(paths[0])[1]):
            raise ValueError(f"{given}: {len(paths)} of {int(_SHARD.search(paths[0])[1])} shards are there")
    folder = next((path for path in paths if pathlib.Path(path).is_dir()), None)
    if folder:
        raise ValueError(f"{given}: {folder} is a folder; give folders one by one, globs are for TFRecords")
    return [pathlib.Path(path) for path in paths]


def count(paths: Sequence[pathlib.Path]) -> int:
    """Returns the number of records.

    Raises:
        ValueError: a file is damaged, no TFRecord, or its first record is no NoteSequence.
    """
    for path in paths:
        first = next(iter(tfrecords.read(path)), None)
        if first is not None:
            try:
                parse(first)
            except ValueError as error:
                raise ValueError(
                    f"{path}: a TFRecord, but not of NoteSequences ({error});"
                    " a TFDS dataset is given by its name, its folder with --tfds_data_dir"
                ) from error
    return sum(tfrecords.count(path) for path in paths)


def label(paths: Sequence[pathlib.Path]) -> str:
    """Returns what to call the records of these files together: the file, or the folder where that says more."""
    stem = _SUFFIX.sub("", paths[0].name)
    return paths[0].resolve().parent.name if len(paths) > 1 or split_of(stem) else stem


def split_of(file_name: str) -> str:
    """Returns the split that a word in a file's name begins with; "" if none does."""
    for word in re.findall("[a-z]+", file_name.lower()):
        for beginning, split in _SPLIT_BY_WORD.items():
            if word.startswith(beginning):
                return split
    return ""


def walk(paths: Sequence[pathlib.Path]) -> Iterator[Record]:
    """Yields the records in their order; of a name that comes again, the second is "name (2)"."""
    used: set[str] = set()
    for path in paths:
        split, number = split_of(path.name), 0
        try:
            for number, content in enumerate(tfrecords.read(path), start=1):
                record = _describe(content, f"{path.name} record {number - 1}", split)
                yield dataclasses.replace(record, name=_unused(record.name, used))
        except (OSError, ValueError) as error:
            reason = f"{error}; nothing after it in this file is read"
            yield Record(_unused(f"{path.name} record {number}", used), split, {}, Unreadable(reason))


def _unused(name: str, used: set[str]) -> str:
    """Returns `name`, with a number behind it where it was used already, and notes that it is."""
    names = itertools.chain([name], (f"{name} ({number})" for number in itertools.count(2)))
    unused = next(name for name in names if name not in used)
    used.add(unused)
    return unused


def _describe(content: bytes, fallback: str, split: str) -> Record:
    try:
        sequence = parse(content)
    except ValueError as error:
        return Record(fallback, split, {}, Unreadable(f"no NoteSequence ({error})"))
    kept, _ = metadata.read(sequence)
    name = sequence.filename or sequence.id or fallback
    return Record(name, split or _known_split(kept), kept, Inline(content))


def _known_split(kept: dict[str, str]) -> str:
    split = kept.get("split", "")
    return split if split in metadata.SPLITS else ""


def parse(content: bytes) -> NoteSequence:
    """Parses a record.

    Raises:
        ValueError: it is no NoteSequence.
    """
    from google.protobuf import message

    from pipelines.dataset.formats.midi import note_seq  # Takes a second; imported there without its noise.

    try:
        sequence = note_seq.NoteSequence.FromString(content)
    except message.DecodeError as error:
        raise ValueError(str(error) or "it cannot be parsed") from error
    # Nothing, or a message of another kind whose first field, too, is a string: a tf.train.Example, for instance.
    if {field.name for field, _ in sequence.ListFields()} <= {"id"}:
        raise ValueError("there is nothing in it but an id")
    return sequence
