"""Where grooves come from: the bundled starter set, folders, zips, TFRecords and TFDS datasets, all as `Source`s."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import pathlib
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from grooves.metadata import SPLITS
from pipelines.dataset.formats import tfrecords
from pipelines.dataset.inputs import folders, info_csv, sequence_files, tfds_input, zips
from pipelines.dataset.inputs.locations import Files, InFolder, Inline, Location

STARTER = "starter"
STARTER_DIR = pathlib.Path(__file__).resolve().parents[3] / "data" / "starter"
GROOVE = "groove"
GROOVE_TFDS_NAME = "groove/full-midionly"
MIDI, MUSICXML, NOTESEQUENCE = "midi", "musicxml", "notesequence"
KIND_BY_SUFFIX = {".mid": MIDI, ".midi": MIDI, ".musicxml": MUSICXML, ".xml": MUSICXML, ".mxl": MUSICXML}
MAX_MIDI_BYTES = 16 * 2**20  # The largest file of Groove has 0.16 MB; a zip can promise anything.
MAX_TABLE_BYTES = 64 * 2**20  # Of an info.csv; Groove's has 0.18 MB.


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


def split_by_hash(name: str) -> str:
    """Returns a split that depends on nothing but the name: 80 % train, 10 % validation, 10 % test."""
    tenth = int(hashlib.sha256(name.encode()).hexdigest(), 16) % 10
    return SPLITS[max(0, tenth - 7)]


def _path(given: str) -> pathlib.Path:
    return STARTER_DIR if given == STARTER else pathlib.Path(given).expanduser()


def _check_distinct(inputs: Iterable[str]) -> None:
    """Raises ValueError where two inputs are the same, or one lies in the other: its files would count twice."""
    given_by_place: dict[pathlib.Path, str] = {}
    for given in inputs:
        if not given:
            raise ValueError("an empty input; give starter, a folder, a zip, groove, a TFDS name or a TFRecord")
        for place in _places(given):
            if place in given_by_place:
                raise ValueError(f"{given}: given twice, also as {given_by_place[place]}; give it once")
            given_by_place[place] = given
    for place, given in given_by_place.items():
        outer = next((given_by_place[parent] for parent in place.parents if parent in given_by_place), None)
        if outer and place.is_dir():
            raise ValueError(f"{given}: lies in {outer}, which is given as well; give the outer folder alone")


def _places(given: str) -> list[pathlib.Path]:
    """Returns the real paths that an input stands for; a TFDS name stands for itself."""
    path = _path(given)
    paths = [path] if path.exists() else sequence_files.find(given)
    return [path.resolve() for path in paths] or [pathlib.Path(GROOVE_TFDS_NAME if given == GROOVE else given)]


def _open(given: str, tfds_data_dir: str | None, used_names: Sequence[str]) -> Collection:
    if "://" in given:  # A folder of one of Apache Beam's file systems.
        from pipelines.dataset.inputs import remote_folders

        name = _unused(given.rstrip("/").rsplit("/", 1)[-1], used_names)
        return _open_files(name, remote_folders.list_files(given, _is_wanted))
    path = _path(given)
    if path.is_dir():
        return _open_files(_unused(path.resolve().name, used_names), folders.list_files(path, _is_wanted))
    if path.is_file() and _kind(path.name):
        return _open_files(_unused(path.stem, used_names), Files((path.name,), lambda _: InFolder(str(path)), {}))
    if path.is_file() and _is_zip(path):
        return _open_files(_unused(path.stem, used_names), zips.list_files(path, _is_wanted))
    record_paths = [path] if path.is_file() else sequence_files.find(given)
    if path.is_file() and not tfrecords.has_header(path):
        raise ValueError(f"{given}: neither a folder, a zip, MIDI, MusicXML nor a TFRecord of NoteSequences")
    if record_paths:
        return _open_records(record_paths, used_names)
    return _open_tfds(GROOVE_TFDS_NAME if given == GROOVE else given, tfds_data_dir)


def _is_zip(path: pathlib.Path) -> bool:
    return path.suffix.lower() == ".zip" or zipfile.is_zipfile(path)


def _unused(name: str, used_names: Sequence[str]) -> str:
    """Returns a collection's name, with a number behind it where an earlier input has the same."""
    number = 2
    unused = name
    while unused in used_names:
        unused, number = f"{name}-{number}", number + 1
    return unused


def _is_wanted(file_name: str) -> bool:
    return file_name == info_csv.TABLE_NAME or _kind(file_name) is not None


def _kind(name: str) -> str | None:
    return KIND_BY_SUFFIX.get(pathlib.PurePosixPath(name).suffix.lower())


def _open_files(name: str, files: Files) -> Collection:
    """Makes a collection of the files of a folder or zip, with the splits and columns of each info.csv in it."""
    tables = sorted((file for file in files.names if _last(file) == info_csv.TABLE_NAME), key=lambda n: -n.count("/"))
    names = tuple(file for file in files.names if _last(file) != info_csv.TABLE_NAME)
    rows: dict[str, info_csv.Row] = {}
    for table in tables:  # Of two that list the same file, the one nearer to the root counts.
        rows |= _read_table(table, files.locate(table))
    table_dirs = tuple(table.removesuffix(info_csv.TABLE_NAME) for table in tables)
    there = {info_csv.key(file) for file in names} | {info_csv.key(file) for file in files.repeated}

    def walk() -> Iterator[Source]:
        for file in names:
            row = rows.get(info_csv.key(file))
            split = row.split if row else split_by_hash(file)
            yield Source(file, name, split, _kind(file) or MIDI, row.columns() if row else {}, files.locate(file))

    return Collection(
        name,
        len(names),
        walk,
        missing=tuple(sorted(row.name for key, row in rows.items() if key not in there)),
        unlisted=tuple(file for file in names if info_csv.key(file) not in rows and file.startswith(table_dirs)),
        repeated=tuple(f"{file}: {what}" for file, what in files.repeated.items()),
    )


def _last(name: str) -> str:
    return name.rsplit("/", 1)[-1]


def _read_table(name: str, location: Location) -> dict[str, info_csv.Row]:
    try:
        return info_csv.read_table(location.read(MAX_TABLE_BYTES), name.removesuffix(info_csv.TABLE_NAME))
    except (OSError, ValueError) as error:
        raise ValueError(f"{name}: {error}; mend it, or take it away: splits then follow from names") from error


def _open_records(paths: Sequence[pathlib.Path], used_names: Sequence[str]) -> Collection:
    for path in paths:
        if _kind(path.name):
            raise ValueError(f"{path}: globs are for TFRecords; give the folder that it lies in, or the file alone")
    name = _unused(sequence_files.label(paths), used_names)

    def walk() -> Iterator[Source]:
        for record in sequence_files.walk(paths):
            split = record.split or split_by_hash(record.name)
            yield Source(record.name, name, split, NOTESEQUENCE, record.columns, record.location)

    return Collection(name, sequence_files.count(paths), walk)


def _open_tfds(name: str, data_dir: str | None) -> Collection:
    dataset = tfds_input.open_dataset(name, data_dir)

    def walk() -> Iterator[Source]:
        for example in dataset.walk():
            yield Source(example.name, name, example.split, MIDI, example.columns, Inline(example.midi))

    return Collection(name, dataset.size, walk)


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
