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
import pickle
import shutil
import tempfile
import time
import zlib
from collections.abc import Iterable, Sequence

import numpy as np

from pipelines.files import atomic

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
        fields: By name, the steps of all its sequences in a row, as `pack` returns them.
    """

    columns: dict[str, np.ndarray]
    fields: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.columns["num_steps"])


@dataclasses.dataclass(frozen=True)
class Sequences:
    """A field of a store: its array, as in the file, and the values of a step."""

    array: np.ndarray
    depth: int

    @property
    def is_one_hot(self) -> bool:
        """Whether the array has tokens, because there is exactly one 1 in each step."""
        return self.array.ndim == 2

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


def pack(field: Field, sequences: Sequence[np.ndarray]) -> np.ndarray:
    """Returns sequences in a row: `[steps, depth]` bool or float32, or `[steps]` tokens if each step has just one 1."""
    steps = np.concatenate(sequences)
    if not field.is_binary:
        return steps.astype("<f4", copy=False)
    steps = steps.astype(bool, copy=False)
    if np.count_nonzero(steps) == len(steps) and steps.any(axis=1).all():
        return steps.argmax(axis=1).astype("<u2" if field.depth < 2**16 else "<i4")
    return steps


def read(folder: str | os.PathLike[str], fingerprint: str) -> dict[str, np.ndarray] | None:
    """Returns the arrays of a store by name; None where there is none, or a damaged one, or one of something else."""
    folder = pathlib.Path(folder)
    try:
        manifest = json.loads((folder / MANIFEST_NAME).read_text(encoding="utf-8"))
        if manifest["fingerprint"] != fingerprint:
            return None
        size = sum(_path(folder, name).stat().st_size for name in manifest["arrays"])
        return {
            name: _read_array(_path(folder, name), expected, size <= MAX_CHECKED_BYTES)
            for name, expected in manifest["arrays"].items()
        }
    except (OSError, ValueError, LookupError, TypeError, AttributeError, OverflowError):  # Each for a kind of damage.
        return None


def _read_array(path: pathlib.Path, expected: dict, is_checked: bool) -> np.ndarray:
    """Raises ValueError where the file is not what the manifest says."""
    array = np.lib.format.open_memmap(path, mode="r").view(np.ndarray)  # Takes .npy alone, and no objects.
    if array.dtype.str != expected["dtype"] or list(array.shape) != expected["shape"]:
        raise ValueError(f"{path}: another array")
    if not is_checked:
        return array
    # What is read anyway stays in memory: whoever cuts a file off while it is mapped ends this process without a word.
    array = np.array(array)
    if zlib.crc32(array.data) != expected["crc32"]:
        raise ValueError(f"{path}: another checksum")
    return array


def build(
    folder: str | os.PathLike[str], fingerprint: str, fields: Sequence[Field], parts: Iterable[Part]
) -> dict[str, np.ndarray]:
    """Writes a store and opens it, as `read` does.

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
    with tempfile.TemporaryDirectory(
        suffix=PARTIAL_SUFFIX, prefix=f".{folder.name}.", dir=folder.parent, ignore_cleanup_errors=True
    ) as partial:
        complete = pathlib.Path(partial, "complete")
        complete.mkdir()
        _write(complete, fingerprint, fields, parts)
        arrays = read(complete, fingerprint)  # What is open stays open when the folder is renamed.
        if arrays is None:
            raise OSError(errno.EIO, "what was written cannot be read back", str(complete))
        _install(complete, folder, fingerprint)
        return arrays


def _write(folder: pathlib.Path, fingerprint: str, fields: Sequence[Field], parts: Iterable[Part]) -> None:
    """Writes all files into a folder that exists.

    The parts go into a file first: how long the longest sequence is, and whether all steps are one-hot, is known only
    at the end.
    """
    num_parts = num_examples = longest = 0
    not_one_hot = set()
    with folder.with_name("parts").open("w+b") as spool:
        for part in filter(len, parts):
            pickle.dump(part, spool, pickle.HIGHEST_PROTOCOL)
            num_parts += 1
            num_examples += len(part)
            longest = max(longest, part.columns["num_steps"].max())
            not_one_hot |= {name for name, steps in part.fields.items() if steps.ndim == 2}
        if not num_parts:
            raise ValueError("no examples")
        spool.seek(0)
        spooled = (pickle.load(spool) for _ in range(num_parts))
        blocks = (_blocks(part, fields, longest, not_one_hot) for part in spooled)
        arrays = _write_arrays(folder, num_examples, blocks)
    manifest = {"fingerprint": fingerprint, "arrays": arrays}
    (folder / MANIFEST_NAME).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    for path in (*folder.iterdir(), folder):
        atomic.sync(path)


def _blocks(part: Part, fields: Sequence[Field], longest: int, not_one_hot: set[str]) -> dict[str, np.ndarray]:
    """Returns the part's rows of each array of the store."""
    num_steps = part.columns["num_steps"]
    blocks = {}
    for field in fields:
        steps, padding = part.fields[field.name], field.depth
        if field.name in not_one_hot:
            padding = 0
            if steps.ndim == 1:
                steps = np.eye(field.depth, dtype=bool)[steps]
        block = np.full([len(part), longest, *steps.shape[1:]], padding, steps.dtype)
        block[np.arange(longest) < num_steps[:, np.newaxis]] = steps
        blocks[field.name] = block
    return blocks | part.columns


def _write_arrays(folder: pathlib.Path, num_examples: int, parts: Iterable[dict[str, np.ndarray]]) -> dict[str, dict]:
    """Writes .npy files, part by part; returns what the manifest says of them.

    Not through mapped files: where the disk is full, that ends the process without a word.
    """
    described = {}
    with contextlib.ExitStack() as stack:
        files = {}
        for blocks in parts:
            for name, block in blocks.items():
                if name not in files:
                    dtype, shape = block.dtype.str, (num_examples, *block.shape[1:])
                    files[name] = stack.enter_context(_path(folder, name).open("wb"))
                    header = {"descr": dtype, "fortran_order": False, "shape": shape}
                    np.lib.format.write_array_header_1_0(files[name], header)
                    described[name] = {"dtype": dtype, "shape": shape, "crc32": 0}
                files[name].write(block.data)
                described[name]["crc32"] = zlib.crc32(block.data, described[name]["crc32"])
    return described


def _install(complete: pathlib.Path, folder: pathlib.Path, fingerprint: str) -> None:
    """Renames a complete folder into its place, unless another process was first; a damaged one there is replaced."""
    if folder.exists() and read(folder, fingerprint) is None:
        with contextlib.suppress(FileNotFoundError):  # Another process is doing the same.
            folder.rename(complete.with_name("damaged"))
    try:
        complete.rename(folder)
        atomic.sync(folder.parent)
    except OSError:
        if read(folder, fingerprint) is None:
            raise


def _sweep(folder: pathlib.Path) -> None:
    """Deletes what builds that were killed have left."""
    for path in folder.glob(f".*{PARTIAL_SUFFIX}"):
        try:
            newest = max(entry.stat().st_mtime for entry in (path, *path.rglob("*")))
        except OSError:  # It is being deleted already.
            continue
        if time.time() - newest > SWEPT_AFTER_SECS:
            shutil.rmtree(path, ignore_errors=True)


def _path(folder: pathlib.Path, name: str) -> pathlib.Path:
    return folder / f"{name}.npy"
