"""Where grooves come from: the bundled starter set, a folder, a zip or a TFDS dataset, all as (name, MIDI, split)."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import os
import pathlib
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping

from absl import logging

SPLITS = ("train", "validation", "test")
STARTER = "starter"
STARTER_DIR = pathlib.Path(__file__).resolve().parent.parent / "data" / "starter"
GROOVE = "groove"
GROOVE_TFDS_NAME = "groove/full-midionly"
TFDS_NAMES_WITH_MIDI = "groove/full-midionly, groove/2bar-midionly and groove/4bar-midionly"
TFDS_SERVER = "https://storage.googleapis.com"  # Where TFDS downloads Groove from.
MIDI_SUFFIXES = (".mid", ".midi")
MAX_MIDI_BYTES = 16 * 2**20  # The largest file of Groove has 63 kB; a zip can promise anything.


@dataclasses.dataclass(frozen=True)
class Source:
    """One MIDI file.

    Attributes:
        name: Its path inside of the collection, with forward slashes.
        split: "train", "validation" or "test".
        midi: The file's bytes; None where they cannot be read.
        error: Why not, where they cannot.
    """

    name: str
    split: str
    midi: bytes | None
    error: str = ""


@dataclasses.dataclass(frozen=True)
class Collection:
    """A set of MIDI files that can be walked through, with the number of them where it is known beforehand."""

    name: str
    size: int
    missing: tuple[str, ...]  # Listed in info.csv, not there.
    walk: Callable[[], Iterator[Source]]


def open_collection(given: str) -> Collection:
    """Opens what `--input` names.

    Args:
        given: "starter", a folder, a zip file, "groove" or another TFDS name.

    Raises:
        FileNotFoundError: it is none of these.
        ValueError: it is a broken zip, has no MIDI file, or TFDS cannot deliver it.
    """
    path = STARTER_DIR if given == STARTER else pathlib.Path(given).expanduser()
    if path.is_dir():
        collection = _open_folder(path)
    elif path.is_file():
        collection = _open_zip(path)
    else:
        collection = _open_tfds(GROOVE_TFDS_NAME if given == GROOVE else given)
    if not collection.size:
        raise ValueError(f"{given}: no MIDI file in it (looked for *.mid and *.midi, in all folders)")
    return collection


def split_by_hash(name: str) -> str:
    """Returns a split that depends on nothing but the name: 80 % train, 10 % validation, 10 % test."""
    tenth = int(hashlib.sha256(name.encode()).hexdigest(), 16) % 10
    return SPLITS[max(0, tenth - 7)]


def _open_folder(folder: pathlib.Path) -> Collection:
    path_by_name = {_name(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    return _collection(folder.resolve().name, path_by_name, lambda name: _read_limited(path_by_name[name]))


def _name(path: pathlib.Path) -> str:
    """Returns a path with forward slashes that can be written as UTF-8, even where the file system's is none."""
    return os.fsencode(path.as_posix()).decode("utf-8", "backslashreplace")


def _read_limited(path: pathlib.Path) -> bytes:
    if path.stat().st_size > MAX_MIDI_BYTES:
        raise ValueError(f"larger than {MAX_MIDI_BYTES >> 20} MiB")
    return path.read_bytes()


def _open_zip(path: pathlib.Path) -> Collection:
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError) as error:
        raise ValueError(
            f"{path}: neither a folder nor a readable zip ({error}); download it again, or give the unpacked folder"
        ) from error

    def read(name: str) -> bytes:
        if archive.getinfo(name).file_size > MAX_MIDI_BYTES:
            raise ValueError(f"larger than {MAX_MIDI_BYTES >> 20} MiB")
        try:
            return archive.read(name)
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, ValueError) as error:
            raise ValueError(f"cannot be unpacked ({error})") from error
        except Exception as error:  # zlib.error and its kin have no common base.
            raise ValueError(f"damaged in the zip ({error})") from error

    return _collection(path.stem, [info.filename for info in archive.infolist() if not info.is_dir()], read)


def _collection(label: str, names: Iterable[str], read: Callable[[str], bytes]) -> Collection:
    """Makes a collection of all MIDI files in `names`, with the splits of the info.csv nearest to the root.

    Hidden files are left out: macOS puts a `._name.mid` that is no MIDI beside each file it archives.
    """
    names = sorted({name for name in names if not _is_hidden(name)})
    midi_names = [name for name in names if name.lower().endswith(MIDI_SUFFIXES)]
    tables = sorted((name for name in names if name.rsplit("/", 1)[-1] == "info.csv"), key=lambda n: n.count("/"))
    split_by_name = _read_info(tables[0], read) if tables else {}
    missing = tuple(sorted(set(split_by_name) - set(midi_names)))

    def walk() -> Iterator[Source]:
        for name in midi_names:
            split = split_by_name.get(name) or split_by_hash(name)
            try:
                yield Source(name, split, read(name))
            except (OSError, ValueError) as error:
                yield Source(name, split, None, str(error))

    return Collection(label, len(midi_names), missing, walk)


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))


def _read_info(table_name: str, read: Callable[[str], bytes]) -> Mapping[str, str]:
    """Returns the split of each MIDI file that an info.csv in Groove's layout lists, by path."""
    folder = table_name[: -len("info.csv")]
    splits = {}
    try:
        rows = csv.DictReader(io.StringIO(read(table_name).decode("utf-8-sig", errors="replace")))
        if not {"midi_filename", "split"} <= set(rows.fieldnames or ()):
            raise ValueError(f"it needs the columns midi_filename and split; found {rows.fieldnames}")
        for row in rows:
            if row["split"] not in SPLITS or not row["midi_filename"]:
                raise ValueError(
                    f"line {rows.line_num}: file {row['midi_filename']!r} in split {row['split']!r};"
                    f" accepted splits: {', '.join(SPLITS)}"
                )
            splits[folder + row["midi_filename"]] = row["split"]
    except (OSError, ValueError, csv.Error) as error:
        raise ValueError(f"{table_name}: {error}; mend it, or take it away: splits then follow from names") from error
    return splits


def _open_tfds(name: str) -> Collection:
    from models import environment  # noqa: F401  Before TensorFlow, which TFDS imports.

    import tensorflow_datasets as tfds  # Takes seconds, and few need it.

    if logging.get_verbosity() < logging.DEBUG:
        logging.set_verbosity(logging.ERROR)  # TFDS tells of each thing that it finds or does not find.
    known = tfds.list_builders(with_community_datasets=False)
    if name.split("/")[0].split(":")[0] not in known:
        raise FileNotFoundError(
            f"{name}: no such folder, zip or TFDS dataset (bundled: {STARTER}; to download: {GROOVE})"
        )
    try:
        builder = tfds.builder(name)
    except Exception as error:  # TFDS raises its own kinds of errors for each part of the name.
        raise ValueError(f"{name}: TFDS knows no such dataset; {TFDS_NAMES_WITH_MIDI} have MIDI in them") from error
    if "midi" not in builder.info.features:
        raise ValueError(f"{name}: has no MIDI in it; {TFDS_NAMES_WITH_MIDI} do")
    _prepare(builder, name)
    splits = [split for split in SPLITS if split in builder.info.splits]

    def walk() -> Iterator[Source]:
        for split in splits:
            for number, example in enumerate(tfds.as_numpy(builder.as_dataset(split=split))):
                identity = example.get("id", str(number).encode()).decode()
                yield Source(f"{identity}.mid", split, example["midi"])

    return Collection(name, sum(builder.info.splits[split].num_examples for split in splits), (), walk)


def _prepare(builder, name: str) -> None:
    """Downloads a TFDS dataset, unless an earlier run did; without internet says so at once.

    Raises:
        ValueError: it cannot be downloaded or prepared.
    """
    import requests

    try:
        if not builder.is_prepared():
            requests.head(TFDS_SERVER, timeout=10)  # TFDS itself tries ten times, for minutes.
        builder.download_and_prepare()
    except requests.ConnectionError as error:
        raise ValueError(
            f"{name}: not downloaded yet, and {TFDS_SERVER} cannot be reached;\n"
            "  without internet, give the folder or the zip of the Groove MIDI Dataset instead"
        ) from error
    except Exception as error:  # TFDS passes on whatever the network stack raises.
        reason = str(error).strip().splitlines()
        raise ValueError(
            f"{name}: TFDS cannot prepare it ({type(error).__name__}: {reason[0][:200] if reason else ''});\n"
            "  try again, or give the folder or the zip of the Groove MIDI Dataset instead"
        ) from error
