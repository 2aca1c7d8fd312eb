"""TFRecords of NoteSequences that somebody made: which files are meant, and what each record is called."""

from __future__ import annotations

import collections
import glob
import pathlib
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from grooves import metadata
from pipelines.dataset.formats import tfrecords
from pipelines.dataset.inputs.source import NOTESEQUENCE, Inline, Location, Source, Unreadable, split_by_hash, unused
from pipelines.files import patterns
from pipelines.files.midi_files import printable

if TYPE_CHECKING:
    from note_seq import NoteSequence

_SPLIT_BY_WORD = {"train": "train", "valid": "validation", "eval": "validation", "test": "test"}
_BEGINNING = re.compile(rf"(?<![a-z])({'|'.join(_SPLIT_BY_WORD)})")
_SHARD = re.compile(r"-\d{5,}-of-(\d{5,})$")
_SUFFIX = re.compile(r"\.tfrecords?(?=[.-]|$).*", re.IGNORECASE)


def find(given: str) -> list[pathlib.Path]:
    """Returns the files that a glob or the prefix of a sharded file means, sorted.

    Raises:
        ValueError: shards are missing, or something else than a file matches.
    """
    pattern = str(pathlib.Path(given).expanduser())
    paths = patterns.matching(pattern)
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
        first = next(tfrecords.read(path), None)
        if first is not None:
            try:
                parse(first)
            except ValueError as error:
                raise ValueError(
                    f"{path}: a TFRecord, but not of NoteSequences ({error});"
                    " a TFDS dataset is given by its name, its folder with --tfds_data_dir"
                ) from error
    return sum(map(tfrecords.count, paths))


def label(paths: Sequence[pathlib.Path]) -> str:
    """Returns what to call the records of these files together: the file, or the folder where that says more."""
    stem = printable(_SUFFIX.sub("", paths[0].name))
    return printable(paths[0].resolve().parent.name) if len(paths) > 1 or split_of(stem) else stem


def split_of(file_name: str) -> str:
    """Returns the split that a word in a file's name begins with; "" if none does."""
    found = _BEGINNING.search(file_name.lower())
    return _SPLIT_BY_WORD[found[1]] if found else ""


def walk(paths: Sequence[pathlib.Path], collection: str) -> Iterator[Source]:
    """Yields the records of a collection in their order; of a name that comes again, the second is "name (2)"."""
    used: collections.Counter[str] = collections.Counter()
    for path in paths:
        for name, split, columns, location in _records(path):
            distinct = unused(name, used, "{} ({})", first=used[name] + 1)  # Few steps, however many share a name.
            used.update({name, distinct})
            yield Source(distinct, collection, split or split_by_hash(distinct), NOTESEQUENCE, columns, location)


def _records(path: pathlib.Path) -> Iterator[tuple[str, str, dict[str, str], Location]]:
    """Yields each record's name, its split ("" where nothing says it), its columns and the place of its bytes."""
    split, number = split_of(path.name), 0
    try:
        for number, content in enumerate(tfrecords.read(path), start=1):
            yield _describe(content, f"{printable(path.name)} record {number - 1}", split)
    except (OSError, ValueError) as error:
        reason = f"{error}; nothing after it in this file is read"
        yield f"{printable(path.name)} record {number}", split, {}, Unreadable(reason)


def _describe(content: bytes, fallback: str, split: str) -> tuple[str, str, dict[str, str], Location]:
    try:
        sequence = parse(content)
    except ValueError as error:
        return fallback, split, {}, Unreadable(f"no NoteSequence ({error})")
    columns, _ = metadata.read(sequence)
    if not split and columns.get("split") in metadata.SPLITS:
        split = columns["split"]
    return sequence.filename or sequence.id or fallback, split, columns, Inline(content)


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
