"""Examples on disk: a folder of plain `.npy` arrays, which appears whole or not at all.

inputs.npy     [n, steps, depth], bool or float32, zeros behind shorter sequences
outputs.npy    the same; one-hot ones as tokens, [n, steps] uint16 or int32, the depth itself behind shorter sequences
…              whatever else is kept of each example, [n, …]
store.json     types, shapes and checksums of these files, and the fingerprint of what they were made from
"""

from __future__ import annotations

import contextlib
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

import numpy as np

MANIFEST_NAME = "store.json"
PARTIAL_SUFFIX = ".partial"
SWEPT_AFTER_SECS = 24 * 60 * 60  # What a killed build left; a living one writes more often.
# A smaller store is read when it is opened, and its checksums compared. A larger one is mapped into memory: of it only
# types, shapes and sizes are compared, which takes no time and no memory.
MAX_CHECKED_BYTES = 2**26


@dataclasses.dataclass(frozen=True)
class Field:
    """One of the sequences that make an example: its name, the values of a step, and whether all are 0 or 1."""

    name: str
    depth: int
    is_binary: bool


@dataclasses.dataclass(frozen=True)
class Part:
    """Some examples, small enough to travel between processes.

    Attributes:
        columns: By name, what is kept of each example, `[k, …]`; `num_steps` of its sequences among them.
        fields: By name, the steps of all its sequences in a row: `[steps, depth]` float32, or bits, packed along depth.
    """

    columns: dict[str, np.ndarray]
    fields: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.columns["num_steps"])


@dataclasses.dataclass(frozen=True)
class Sequences:
    """A field of a store.

    Attributes:
        array: As in the file.
        depth: Values of a step.
        is_one_hot: Whether the array has tokens, because there is exactly one 1 in each step.
    """

    array: np.ndarray
    depth: int
    is_one_hot: bool

    def dense(self, rows: np.ndarray) -> np.ndarray:
        """Returns `[rows, steps, depth]` float32, zeros behind shorter sequences."""
        if not self.is_one_hot:
            return self.array[rows].astype(np.float32, copy=False)
        return np.take(np.eye(self.depth + 1, self.depth, dtype=np.float32), self.array[rows], axis=0)

    def tokens(self, rows: np.ndarray) -> np.ndarray:
        """Returns the tokens of a one-hot field, `[rows, steps]` int32, -1 behind shorter sequences."""
        tokens = self.array[rows].astype(np.int32)
        tokens[tokens == self.depth] = -1
        return tokens


@dataclasses.dataclass(frozen=True)
class Store:
    """An open store: by name, what is kept of each example, `[n, …]`, and its sequences."""

    columns: dict[str, np.ndarray]
    fields: dict[str, Sequences]


def pack(field: Field, sequences: Sequence[np.ndarray]) -> np.ndarray:
    """Returns `[steps, depth]` sequences in a row, as a `Part` has them."""
    steps = np.concatenate(sequences)
    return np.packbits(steps.astype(bool, copy=False), axis=1) if field.is_binary else steps.astype(np.float32)


def read(folder: str | os.PathLike[str], fingerprint: str) -> Store | None:
    """Opens a store; None where there is none, or a damaged one, or one of something else."""
    folder = pathlib.Path(folder)
    try:
        manifest = json.loads((folder / MANIFEST_NAME).read_text(encoding="utf-8"))
        if manifest.pop("checksum") != _checksum(manifest) or manifest["fingerprint"] != fingerprint:
            return None
        size = sum(_path(folder, name).stat().st_size for name in manifest["arrays"])
        arrays = {
            name: _read_array(_path(folder, name), expected, size <= MAX_CHECKED_BYTES)
            for name, expected in manifest["arrays"].items()
        }
        fields = {name: Sequences(arrays.pop(name), **field) for name, field in manifest["fields"].items()}
        return Store({name: np.array(array) for name, array in arrays.items()}, fields)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, OverflowError):  # Each for a kind of damage.
        return None


def build(folder: str | os.PathLike[str], fingerprint: str, fields: Sequence[Field], parts: Iterable[Part]) -> Store:
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


class _Spool:
    """The steps of a field's sequences, part by part in a file, until it is known how long the longest one is."""

    def __init__(self, folder: pathlib.Path, field: Field) -> None:
        self.field, self.is_one_hot = field, field.is_binary
        self._path = folder / f"{field.name}.steps"
        self._file = self._path.open("w+b")

    def append(self, steps: np.ndarray) -> None:
        self.is_one_hot = self.is_one_hot and bool(np.all(np.bitwise_count(steps).sum(axis=1) == 1))
        np.save(self._file, steps)

    def write(self, path: pathlib.Path, num_steps: list[np.ndarray]) -> dict:
        """Writes the array, `[n, longest, depth]`, or `[n, longest]` tokens; `num_steps` are those of each part."""
        field, longest = self.field, max(int(sizes.max()) for sizes in num_steps)
        if self.is_one_hot:
            shape, dtype, padding = (longest,), np.dtype("<u2" if field.depth < 2**16 else "<i4"), field.depth
        else:
            shape, dtype, padding = (longest, field.depth), np.dtype("?" if field.is_binary else "<f4"), 0

        def blocks() -> Iterator[np.ndarray]:
            self._file.seek(0)
            for sizes in num_steps:
                block = np.full([len(sizes), *shape], padding, dtype)
                block[np.arange(longest) < sizes[:, np.newaxis]] = self._unpack(np.load(self._file))
                yield block

        return _write_array(path, (sum(map(len, num_steps)), *shape), dtype, blocks())

    def close(self) -> None:
        self._file.close()
        self._path.unlink()

    def _unpack(self, steps: np.ndarray) -> np.ndarray:
        if not self.field.is_binary:
            return steps
        bits = np.unpackbits(steps, axis=1, count=self.field.depth)
        return bits.argmax(axis=1) if self.is_one_hot else bits.view(bool)


def _write(folder: pathlib.Path, fingerprint: str, fields: Sequence[Field], parts: Iterable[Part]) -> None:
    """Writes all files into a folder that exists."""
    with contextlib.ExitStack() as stack:
        spools = [stack.enter_context(contextlib.closing(_Spool(folder, field))) for field in fields]
        kept = []
        for part in parts:
            if len(part):
                kept.append(part.columns)
                for spool in spools:
                    spool.append(part.fields[spool.field.name])
        if not kept:
            raise ValueError("no examples")
        num_steps = [columns["num_steps"] for columns in kept]
        arrays = {spool.field.name: spool.write(_path(folder, spool.field.name), num_steps) for spool in spools}
    for name in kept[0]:
        column = np.concatenate([columns[name] for columns in kept])
        arrays[name] = _write_array(_path(folder, name), column.shape, column.dtype, [column])
    described = {spool.field.name: {"depth": spool.field.depth, "is_one_hot": spool.is_one_hot} for spool in spools}
    _write_manifest(folder, {"fingerprint": fingerprint, "fields": described, "arrays": arrays})


def _write_array(path: pathlib.Path, shape: tuple[int, ...], dtype: np.dtype, blocks: Iterable[np.ndarray]) -> dict:
    """Writes a .npy file; returns what the manifest says of it.

    Not through a mapped file: where the disk is full, that ends the process without a word.
    """
    checksum = 0
    with path.open("wb") as file:
        header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for block in blocks:
            content = block.tobytes()
            checksum = zlib.crc32(content, checksum)
            file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return {"dtype": dtype.str, "shape": list(shape), "crc32": checksum}


def _write_manifest(folder: pathlib.Path, manifest: dict) -> None:
    manifest["checksum"] = _checksum(manifest)
    (folder / MANIFEST_NAME).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    for path in (folder / MANIFEST_NAME, folder):
        _sync(path)


def _read_array(path: pathlib.Path, expected: dict, is_checked: bool) -> np.ndarray:
    """Raises ValueError where the file is not what the manifest says."""
    array = np.lib.format.open_memmap(path, mode="r").view(np.ndarray)  # Takes .npy alone, and no objects.
    if array.dtype.str != expected["dtype"] or list(array.shape) != expected["shape"]:
        raise ValueError(f"{path}: another array")
    if is_checked and zlib.crc32(array.data) != expected["crc32"]:
        raise ValueError(f"{path}: another checksum")
    # What was read anyway stays in memory: whoever cuts a file off while it is mapped ends this process without a word.
    return np.array(array) if is_checked else array


def _install(partial: pathlib.Path, folder: pathlib.Path, fingerprint: str) -> None:
    """Renames a complete folder into its place, unless another process was first; a damaged one there is replaced."""
    if folder.exists() and read(folder, fingerprint) is None:
        with contextlib.suppress(FileNotFoundError):  # Another process is doing the same.
            _delete(folder.rename(_beside(folder)))
    try:
        partial.rename(folder)
        _sync(folder.parent)
    except OSError:
        if read(folder, fingerprint) is None:
            raise


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


def _path(folder: pathlib.Path, name: str) -> pathlib.Path:
    return folder / f"{name}.npy"


def _sync(path: pathlib.Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _checksum(manifest: dict) -> int:
    return zlib.crc32(json.dumps(manifest, sort_keys=True).encode())
