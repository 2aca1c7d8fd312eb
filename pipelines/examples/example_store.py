"""Examples on disk: compact, memory-mapped, there as a whole or not at all.

A store is a folder of .npy files, the arrays of `example_codec`, and `store.json` with their types, shapes and
checksums. Nothing is ever unpickled.
"""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import pathlib
import secrets
import shutil
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO

import numpy as np

from pipelines.examples import example_codec

MANIFEST_NAME = "store.json"
VERSION = 1  # Of the files' layout.
PARTIAL_SUFFIX = ".partial"
SWEPT_AFTER_SECS = 24 * 60 * 60  # What a killed build left; a living one writes more often.
MAX_CHECKED_BYTES = 2**28  # Checksums of more would take longer than a second; types and lengths are always checked.
_BLOCK_BYTES = 2**22
_MAX_INSTALLS = 10


@dataclasses.dataclass(frozen=True)
class Part:
    """Some examples, encoded; small enough to travel between processes.

    Attributes:
        columns: By name, what is kept of each example: `num_steps` [k] (of its sequences) and whatever else.
        fields: By the field's name, the arrays that `encode` made of it.
    """

    columns: dict[str, np.ndarray]
    fields: dict[str, dict[str, np.ndarray]]

    def __len__(self) -> int:
        return len(self.columns["num_steps"])


@dataclasses.dataclass(frozen=True)
class Store:
    """An open store.

    Attributes:
        columns: By name, `[n, …]` arrays.
        fields: By name, what `dense(rows)` can be asked of.
    """

    columns: dict[str, np.ndarray]
    fields: dict[str, example_codec.Steps | example_codec.Cells]


def read(folder: str | os.PathLike[str], fingerprint: str) -> Store | None:
    """Opens a store; None where there is none, or a damaged one, or one of something else."""
    folder = pathlib.Path(folder)
    try:
        manifest = json.loads((folder / MANIFEST_NAME).read_text(encoding="utf-8"))
        if manifest.pop("checksum") != _checksum(manifest) or manifest["fingerprint"] != fingerprint:
            return None
        size = sum((folder / f"{name}.npy").stat().st_size for name in manifest["arrays"])
        arrays = {
            name: _read_array(folder / f"{name}.npy", expected, size <= MAX_CHECKED_BYTES)
            for name, expected in manifest["arrays"].items()
        }
        return _assemble(manifest, arrays)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, OverflowError):  # Each for a kind of damage.
        return None


def build(
    folder: str | os.PathLike[str], fingerprint: str, fields: Sequence[example_codec.Field], parts: Iterable[Part]
) -> Store:
    """Writes a store and opens it.

    Two processes that build the same store at once each write their own; the first to end is kept.

    Args:
        folder: The store's place; folders above it are made.
        fingerprint: Of what it is made from.
        fields: What the parts hold.
        parts: The examples, in order. What this raises goes through, and leaves nothing behind.

    Raises:
        ValueError: there are no examples.
        OSError: the folder cannot be written to, or the disk is full.
    """
    folder = pathlib.Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    _sweep(folder.parent)
    partial = _beside(folder)
    partial.mkdir()
    try:
        _write(partial, fingerprint, fields, parts)
        store = read(partial, fingerprint)  # What is open stays open when the folder is renamed.
        if store is None:
            raise OSError(errno.EIO, "what was written cannot be read back", str(partial))
        _install(partial, folder, fingerprint)
        return store
    finally:
        shutil.rmtree(partial, ignore_errors=True)


class _Column:
    """An array that grows on disk, and gets its header and its smallest type when it is complete."""

    def __init__(self, folder: pathlib.Path, name: str, dtype: str | np.dtype, row_shape: tuple[int, ...] = ()) -> None:
        self.name = name
        self._dtype = np.dtype(dtype).newbyteorder("<")
        self._row_shape = row_shape
        self._folder = folder
        self._max = 0
        self._num_values = 0
        self._raw: BinaryIO = (folder / f"{name}.raw").open("w+b")

    def append(self, array: np.ndarray) -> None:
        array = np.ascontiguousarray(array, self._dtype)
        if array.size and self._dtype == np.uint32:
            self._max = max(self._max, int(array.max()))
        self._num_values += array.size
        self._raw.write(array.tobytes())

    def finish(self) -> dict:
        """Writes the .npy file; returns what the manifest says of it."""
        is_short = self._dtype == np.uint32 and self._max < 2**16
        dtype = np.dtype("<u2") if is_short else self._dtype
        shape = (self._num_values // int(np.prod(self._row_shape, dtype=int)), *self._row_shape)
        checksum = 0
        with (self._folder / f"{self.name}.npy").open("wb") as file:
            header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            for block in self._blocks():
                content = np.frombuffer(block, self._dtype).astype(dtype).tobytes()
                checksum = zlib.crc32(content, checksum)
                file.write(content)
            file.flush()
            os.fsync(file.fileno())
        self.close()
        return {"dtype": dtype.str, "shape": list(shape), "crc32": checksum}

    def close(self) -> None:
        self._raw.close()
        (self._folder / f"{self.name}.raw").unlink(missing_ok=True)

    def _blocks(self) -> Iterator[bytes]:
        self._raw.flush()
        self._raw.seek(0)
        while block := self._raw.read(_BLOCK_BYTES):
            yield block


class _Table:
    """The distinct steps of a binary field, numbered as they appear."""

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._num_bytes = -(-depth // 8)
        self._numbers = {bytes(self._num_bytes): 0}
        self._is_silence_used = False

    def add(self, steps: np.ndarray) -> np.ndarray:
        """Returns the numbers of `steps` [k, depth / 8], which may be new, as `[k]` uint32."""
        numbers = [self._numbers.setdefault(step, len(self._numbers)) for step in example_codec.as_bytes(steps)]
        self._is_silence_used |= 0 in numbers
        return np.array(numbers, np.uint32)

    def array(self) -> np.ndarray:
        return example_codec.as_table(self._numbers, self._num_bytes)

    def is_one_hot(self) -> bool:
        """Whether there is exactly one 1 in every step that was added."""
        ones = np.unpackbits(self.array(), axis=-1, count=self._depth).sum(axis=-1)
        return not self._is_silence_used and bool(np.all(ones[1:] == 1))


def _write(
    folder: pathlib.Path, fingerprint: str, fields: Sequence[example_codec.Field], parts: Iterable[Part]
) -> None:
    columns: dict[str, _Column] = {}
    tables = {field.name: _Table(field.depth) for field in fields if field.is_binary}

    def append(name: str, array: np.ndarray) -> None:
        if name not in columns:
            columns[name] = _Column(folder, name, array.dtype, array.shape[1:])
        columns[name].append(array)

    try:
        for part in parts:
            if not len(part):
                continue
            for name, column in part.columns.items():
                append(name, column)
            for field in fields:
                arrays = part.fields[field.name]
                if field.is_binary:
                    append(f"{field.name}.index", tables[field.name].add(arrays["table"])[arrays["index"]])
                else:
                    for name, array in arrays.items():
                        append(f"{field.name}.{name}", array)
        if not columns:
            raise ValueError("no examples")
        for name, table in tables.items():
            append(f"{name}.table", table.array())
        written = {name: column.finish() for name, column in columns.items()}
    finally:
        for column in columns.values():
            column.close()
    _write_manifest(folder, fingerprint, fields, tables, written)


def _write_manifest(
    folder: pathlib.Path,
    fingerprint: str,
    fields: Sequence[example_codec.Field],
    tables: dict[str, _Table],
    written: dict[str, dict],
) -> None:
    manifest = {
        "version": VERSION,
        "fingerprint": fingerprint,
        "columns": sorted(name for name in written if "." not in name),
        "fields": {},
    }
    for field in fields:
        names = [name for name in written if name.startswith(f"{field.name}.")]
        manifest["fields"][field.name] = {
            "depth": field.depth,
            "is_binary": field.is_binary,
            "is_one_hot": field.is_binary and tables[field.name].is_one_hot(),
            "arrays": {name.partition(".")[2]: _drop_twin(folder, name, written) for name in names},
        }
    manifest["arrays"] = written
    manifest["checksum"] = _checksum(manifest)
    with (folder / MANIFEST_NAME).open("w", encoding="utf-8") as file:
        json.dump(manifest, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    _sync_folder(folder)


def _drop_twin(folder: pathlib.Path, name: str, written: dict[str, dict]) -> str:
    """Returns the name of an array of the same content, in whose favour this one is deleted; else its own."""
    for other in written:
        if other == name:
            return name
        if written[other] == written[name] and _are_equal(folder / f"{other}.npy", folder / f"{name}.npy"):
            (folder / f"{name}.npy").unlink()
            del written[name]
            return other
    return name


def _are_equal(path: pathlib.Path, other_path: pathlib.Path) -> bool:
    with path.open("rb") as file, other_path.open("rb") as other:
        while block := file.read(_BLOCK_BYTES):
            if other.read(_BLOCK_BYTES) != block:
                return False
        return not other.read(1)


def _read_array(path: pathlib.Path, expected: dict, is_checked: bool) -> np.ndarray:
    """Raises ValueError where the file is not what the manifest says."""
    array = np.lib.format.open_memmap(path, mode="r").view(np.ndarray)  # Takes .npy alone, and no objects.
    if array.dtype.str != expected["dtype"] or list(array.shape) != expected["shape"]:
        raise ValueError(f"{path}: another array")
    if is_checked and zlib.crc32(array.data if array.size else b"") != expected["crc32"]:
        raise ValueError(f"{path}: another checksum")
    # What was read anyway is kept: whoever cuts a file off while it is mapped ends this process without a word.
    return np.array(array) if is_checked else array


def _assemble(manifest: dict, arrays: dict[str, np.ndarray]) -> Store:
    columns = {name: np.array(arrays[name]) for name in manifest["columns"]}
    num_steps = columns["num_steps"]
    fields: dict[str, example_codec.Steps | example_codec.Cells] = {}
    for name, field in manifest["fields"].items():
        own = {role: arrays[array_name] for role, array_name in field["arrays"].items()}
        sizes = num_steps if field["is_binary"] else own.pop("counts")
        starts = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
        shape = {"starts": starts, "num_steps": int(num_steps.max()), "depth": field["depth"]}
        kind = example_codec.Steps if field["is_binary"] else example_codec.Cells
        fields[name] = kind(**own, **shape, is_one_hot=field["is_one_hot"])
    return Store(columns, fields)


def _install(partial: pathlib.Path, folder: pathlib.Path, fingerprint: str) -> None:
    """Renames a complete folder into its place, unless another process was first; a damaged one there is replaced."""
    for _ in range(_MAX_INSTALLS):
        try:
            partial.rename(folder)
            _sync_folder(folder.parent)
            return
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
        if read(folder, fingerprint) is not None:
            return
        aside = _beside(folder)
        try:
            folder.rename(aside)
        except FileNotFoundError:  # Another process is doing the same.
            continue
        _delete(aside)


def _sweep(folder: pathlib.Path) -> None:
    """Deletes what builds that were killed have left."""
    for path in folder.glob(f".*{PARTIAL_SUFFIX}"):
        try:
            newest = max(entry.stat().st_mtime for entry in (path, *path.glob("*")))
        except OSError:  # It is being deleted already.
            continue
        if time.time() - newest > SWEPT_AFTER_SECS:
            _delete(path)


def _delete(path: pathlib.Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _beside(folder: pathlib.Path) -> pathlib.Path:
    return folder.with_name(f".{folder.name}.{secrets.token_hex(4)}{PARTIAL_SUFFIX}")


def _sync_folder(folder: pathlib.Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _checksum(manifest: dict) -> int:
    return zlib.crc32(json.dumps(manifest, sort_keys=True).encode())
