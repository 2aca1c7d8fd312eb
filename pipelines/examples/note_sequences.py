"""Where examples are made from: the NoteSequences of TFRecords or of a TFDS dataset, found and read."""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib
from collections.abc import Callable, Iterable, Iterator

import configs
from models.magenta import note_seq
from pipelines.dataset.formats import midi, tfrecords
from pipelines.dataset.inputs import sequence_files, tfds_input
from pipelines.files import atomic, patterns

_NEXT_STEP = "python -m pipelines.convert writes such files anew"


@dataclasses.dataclass(frozen=True)
class Record:
    """A serialized NoteSequence, and what an error calls it."""

    where: str
    content: bytes


@dataclasses.dataclass(frozen=True)
class Performances:
    """The NoteSequences of a split, read when they are needed.

    Attributes:
        where: As a person calls them.
        fingerprint: Returns a hash of them all.
        num_bytes: Of the files that they are in.
        count: Returns their number.
        read: Yields them.
        home: The folder to keep their tensors in, unless another is given.
        stem: Begins the name of what is kept.
    """

    where: str
    fingerprint: Callable[[], str]
    num_bytes: int
    count: Callable[[], int]
    read: Callable[[], Iterator[Record]]
    home: pathlib.Path
    stem: str


def find(
    config: configs.Config, split: str, examples_path: str | None, tfds_data_dir: str | None = None
) -> Performances:
    """Finds the performances that `load` is asked for; raises as it does."""
    if not examples_path and not config.tfds_name:
        raise ValueError("which data? --examples_path=GLOB of TFRecords, or --tfds_name=NAME")
    if not examples_path:
        return _find_tfds(config.tfds_name, split, tfds_data_dir)
    paths = find_records(examples_path)
    return Performances(
        where=examples_path,
        fingerprint=lambda: tfrecords.fingerprint(paths),
        num_bytes=sum(path.stat().st_size for path in paths),
        count=lambda: sum(map(tfrecords.count, paths)),
        read=lambda: _read_files(paths),
        home=paths[0].parent,
        stem=paths[0].name.split(".")[0],
    )


def find_records(examples_path: str) -> list[pathlib.Path]:
    """Returns the files that match a glob, sorted.

    Raises:
        FileNotFoundError: there is none.
        ValueError: one is a folder.
    """
    pattern = str(pathlib.Path(examples_path).expanduser())
    atomic.finish(pathlib.Path(pattern).parent)  # Of a conversion that was killed at its end.
    shards = patterns.beside(pattern, f"{pathlib.Path(pattern).name}-*-of-*")  # As convert writes them.
    paths = patterns.matching(pattern) or patterns.matching(shards)
    folder = next((path for path in paths if pathlib.Path(path).is_dir()), None)
    if folder:
        raise ValueError(
            f"--examples_path={examples_path}: {folder} is a folder; give a file, as {folder}/train.tfrecord"
        )
    if not paths:
        raise FileNotFoundError(
            f"no examples: no file matches --examples_path={examples_path}; python -m pipelines.convert makes TFRecords"
        )
    return [pathlib.Path(path) for path in paths]


def parse(record: Record) -> note_seq.NoteSequence:
    """Returns the NoteSequence of a record.

    Raises:
        ValueError: it is none; names the file and the record.
    """
    try:
        return sequence_files.parse(record.content)
    except ValueError as error:
        raise ValueError(f"{record.where} is no NoteSequence; {_NEXT_STEP}") from error


def _read_files(paths: Iterable[pathlib.Path]) -> Iterator[Record]:
    for path in paths:
        for number, content in enumerate(tfrecords.read(path)):
            yield Record(f"{path}: record {number}", content)


def _find_tfds(name: str, split: str, data_dir: str | None) -> Performances:
    dataset = tfds_input.open_dataset(name, data_dir)
    builder = dataset.builder
    if split not in builder.info.splits:
        raise ValueError(f"{name}: has no split {split}; it has {', '.join(sorted(builder.info.splits))}")
    paths = [pathlib.Path(path) for path in builder.info.splits[split].filepaths]

    def read() -> Iterator[Record]:
        for example in dataset.walk():
            if example.split == split:
                where = f"{name}: {example.name}"
                try:
                    yield Record(where, midi.read_midi(example.read()).SerializeToString())
                except ValueError as error:
                    raise ValueError(f"{where}: {error}") from error

    return Performances(
        where=f"{name}, split {split}",
        fingerprint=lambda: " ".join(hashlib.sha256(path.read_bytes()).hexdigest() for path in paths),
        num_bytes=sum(path.stat().st_size for path in paths),
        count=lambda: builder.info.splits[split].num_examples,
        read=read,
        home=pathlib.Path(builder.data_dir),
        stem=f"{name.replace('/', '-')}-{split}",
    )


def no_examples(where: str, num_performances: int) -> ValueError:
    """Returns the error for performances that make no example."""
    return ValueError(
        f"no examples: {where} has {num_performances} NoteSequences, and none is long enough and of the right kind"
        " for this config (four bars of drums in 4/4, for the configs of this project)"
    )
