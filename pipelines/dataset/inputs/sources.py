"""Where grooves come from: the bundled starter set, folders, zips, TFRecords and TFDS datasets, all as `Source`s."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import pathlib
import posixpath
import zipfile
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence

from pipelines.dataset.formats import tfrecords
from pipelines.dataset.inputs import folders, info_csv, sequence_files, tfds_input, zips
from pipelines.dataset.inputs.names import Names
from pipelines.dataset.inputs.source import (
    MIDI,
    MUSICXML,
    Files,
    InFolder,
    Location,
    Source,
    kind_of,
    split_by_hash,
    unused,
)
from pipelines.files.midi_files import printable

STARTER = "starter"
STARTER_DIR = pathlib.Path(__file__).resolve().parents[3] / "data" / "starter"
GROOVE = "groove"
GROOVE_TFDS_NAME = "groove/full-midionly"
MAX_TABLE_BYTES = 64 * 2**20  # Of an info.csv; Groove's has 0.18 MB.


@dataclasses.dataclass(frozen=True)
class Collection:
    """What one or several inputs hold together.

    Attributes:
        name: The folder's, the zip's, the dataset's; of several inputs, all of them with a plus between.
        size: The number of sources that `walk` yields, or a few more where a TFRecord is damaged.
        walk: Yields the sources: input by input, in each always in the same order, which is that of the names for
            folders and zips.
        missing: Files that an info.csv lists and that are not there.
        unlisted: Files in the folder of an info.csv that it does not list; their split follows from their name.
        repeated: What was left out because it is there already, each with what it repeats.
    """

    name: str
    size: int
    walk: Callable[[], Iterator[Source]]
    missing: tuple[str, ...] = ()
    unlisted: tuple[str, ...] = ()
    repeated: tuple[str, ...] = ()

    def known(self, column: str) -> tuple[str, ...]:
        """Returns the values of one of `info_csv.SELECTABLE`, sorted, with "" where a source has none."""
        return self._known[column]

    @functools.cached_property
    def _known(self) -> dict[str, tuple[str, ...]]:
        values = {column: set() for column in info_csv.SELECTABLE}
        for source in self.walk():
            for column, known in values.items():
                known.add(source.columns.get(column, ""))
        return {column: tuple(sorted(known)) for column, known in values.items()}


def open_collections(inputs: Sequence[str], tfds_data_dir: str | None = None) -> Collection:
    """Opens what `--input` names, in any mixture.

    Args:
        inputs: Each "starter", a folder, a zip file, a MIDI or MusicXML file, "groove" or another TFDS name, a TFRecord
            of NoteSequences, a glob over several of them, or the name before the "-00000-of-00004" of a sharded one.
        tfds_data_dir: Where TFDS keeps its datasets; None is TFDS's own default.

    Raises:
        FileNotFoundError: an input is none of these.
        ValueError: an input is given twice, is broken, holds nothing to convert, or TFDS cannot deliver it.
    """
    if not inputs:
        raise ValueError("no input; give starter, a folder, a zip, groove, a TFDS name or a TFRecord of NoteSequences")
    _check_distinct(inputs)
    opened: list[Collection] = []
    for given in inputs:
        collection = _open(given, tfds_data_dir, [other.name for other in opened])
        if not collection.size:
            raise ValueError(
                f"{given}: no MIDI file in it (looked for *.mid and *.midi, in all folders) and no MusicXML"
                " (*.musicxml, *.xml, *.mxl); zips and TFRecords are given by their own path"
            )
        opened.append(collection)
    return opened[0] if len(opened) == 1 else _join(opened)


def _path(given: str) -> pathlib.Path:
    return STARTER_DIR if given == STARTER else pathlib.Path(given).expanduser()


def _check_distinct(inputs: Iterable[str]) -> None:
    """Raises ValueError where two inputs are the same, or one lies in the other: its files would count twice."""
    given_by_place: dict[pathlib.Path, str] = {}
    for given in inputs:
        if not given:
            raise ValueError("an empty input; give starter, a folder, a zip, groove, a TFDS name or a TFRecord")
        for path in _paths(given) or [pathlib.Path(GROOVE_TFDS_NAME if given == GROOVE else given)]:
            place = path.resolve()
            if place in given_by_place:
                raise ValueError(f"{given}: given twice, also as {given_by_place[place]}; give it once")
            given_by_place[place] = given
    for place, given in given_by_place.items():
        outer = next((given_by_place[parent] for parent in place.parents if parent in given_by_place), None)
        if outer and place.is_dir():
            raise ValueError(f"{given}: lies in {outer}, which is given as well; give the outer folder alone")


def _paths(given: str) -> list[pathlib.Path]:
    """Returns the files and folders that an input stands for; none where it is a TFDS name or a URL."""
    path = _path(given)
    return [path] if path.exists() else sequence_files.find(given)


def _open(given: str, tfds_data_dir: str | None, used_names: Sequence[str]) -> Collection:
    path = _path(given)
    if "://" in given:  # A folder of one of Apache Beam's file systems.
        from pipelines.dataset.inputs import remote_folders

        name, files = posixpath.basename(given.rstrip("/")), remote_folders.list_files(given)
    elif path.is_dir():
        name, files = printable(path.resolve().name), folders.list_files(path)
    elif path.is_file() and kind_of(path.name):
        name, files = printable(path.stem), Files(Names([path.name]), lambda _: InFolder(str(path)), {})
    elif path.is_file() and (path.suffix.lower() == ".zip" or zipfile.is_zipfile(path)):
        name, files = printable(path.stem), zips.list_files(path)
    elif path.is_file() and not tfrecords.has_header(path):
        raise ValueError(f"{given}: neither a folder, a zip, MIDI, MusicXML nor a TFRecord of NoteSequences")
    elif record_paths := _paths(given):
        return _open_records(record_paths, used_names)
    else:
        dataset = tfds_input.open_dataset(GROOVE_TFDS_NAME if given == GROOVE else given, tfds_data_dir)
        return Collection(dataset.name, dataset.size, dataset.walk)
    return _open_files(unused(name, used_names, "{}-{}"), files)


def _open_files(name: str, files: Files) -> Collection:
    """Makes a collection of the files of a folder or zip, with the splits and columns of each info.csv in it."""
    tables = sorted(filter(_is_table, files.names), key=lambda table: -table.count("/"))
    rows: dict[str, info_csv.Row] = {}
    for table in tables:  # Of two that list the same file, the one nearer to the root counts.
        rows |= _read_table(table, files.locate(table))
    table_dirs = tuple(table.removesuffix(info_csv.TABLE_NAME) for table in tables)
    sheets = _sheets(files.names, rows)
    repeated = {**files.repeated, **sheets}

    def names() -> Iterator[str]:
        return (file for file in files.names if file not in sheets and not _is_table(file))

    def walk() -> Iterator[Source]:
        for file in names():
            row = rows.get(info_csv.key(file))
            split = row.split if row else split_by_hash(file)
            yield Source(file, name, split, kind_of(file) or MIDI, row.columns() if row else {}, files.locate(file))

    return Collection(
        name,
        sum(1 for _ in names()),
        walk,
        missing=_missing(rows, itertools.chain(names(), repeated)),
        unlisted=tuple(file for file in names() if file.startswith(table_dirs) and info_csv.key(file) not in rows),
        repeated=tuple(f"{file}: {what}" for file, what in repeated.items()),
    )


def _missing(rows: Mapping[str, info_csv.Row], files: Iterable[str]) -> tuple[str, ...]:
    """Returns the names of rows that no file has, sorted."""
    not_there = dict(rows)
    for file in files if rows else ():
        not_there.pop(info_csv.key(file), None)
    return tuple(sorted(row.name for row in not_there.values()))


def _sheets(names: Names, rows: Container[str]) -> dict[str, str]:
    """Returns those files in no row that are sheet music of a MIDI file beside them of the same name, and of which."""
    sheets = [file for file in names if kind_of(file) == MUSICXML and info_csv.key(file) not in rows]
    if not sheets:
        return {}
    stems = {posixpath.splitext(file)[0] for file in sheets}
    midis = {}
    for file in names:
        stem = posixpath.splitext(file)[0]
        if stem in stems and kind_of(file) == MIDI and info_csv.key(file) not in rows:
            midis[stem] = file
    beside = {file: midis.get(posixpath.splitext(file)[0]) for file in sheets}
    return {file: f"sheet music of {midi}" for file, midi in beside.items() if midi}


def _is_table(name: str) -> bool:
    return posixpath.basename(name) == info_csv.TABLE_NAME


def _read_table(name: str, location: Location) -> dict[str, info_csv.Row]:
    try:
        return info_csv.read_table(location.read(MAX_TABLE_BYTES), name.removesuffix(info_csv.TABLE_NAME))
    except (OSError, ValueError) as error:
        raise ValueError(f"{name}: {error}; mend it, or take it away: splits then follow from names") from error


def _open_records(paths: Sequence[pathlib.Path], used_names: Sequence[str]) -> Collection:
    for path in paths:
        if kind_of(path.name):
            raise ValueError(f"{path}: globs are for TFRecords; give the folder that it lies in, or the file alone")
    name = unused(sequence_files.label(paths), used_names, "{}-{}")
    return Collection(name, sequence_files.count(paths), functools.partial(sequence_files.walk, paths, name))


def _join(opened: Sequence[Collection]) -> Collection:
    """Makes one collection of several; what is said of files names the collection as well."""

    def walk() -> Iterator[Source]:
        for collection in opened:
            yield from collection.walk()

    def named(field: str) -> tuple[str, ...]:
        return tuple(f"{collection.name}: {text}" for collection in opened for text in getattr(collection, field))

    size = sum(collection.size for collection in opened)
    name = "+".join(collection.name for collection in opened)
    return Collection(name, size, walk, named("missing"), named("unlisted"), named("repeated"))
