"""TensorFlow's checkpoint files, read without TensorFlow, whose import takes longer than all that generation computes.

A checkpoint is an index, a sorted table of names in the format of LevelDB, and data files that it points into. Sources:
`tensorflow/core/util/tensor_bundle` and `tensorflow/core/protobuf/tensor_bundle.proto` of TensorFlow 2.21; LevelDB's
`doc/table_format.md`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import struct
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import google_crc32c
import numpy as np

_MAGIC = 0xDB4775248B80FB57
_FOOTER_BYTES = 48
_TRAILER_BYTES = 5  # Behind each block: how it is compressed, and its checksum.
_DTYPES = {1: np.float32, 2: np.float64, 3: np.int32, 9: np.int64, 14: np.uint16, 19: np.float16}  # types.proto
_CRC_MASK = 0xA282EAD8  # What LevelDB and TensorFlow add to a checksum that they store.
_DAMAGE = (ValueError, LookupError, struct.error, OverflowError, MemoryError)


@dataclasses.dataclass(frozen=True)
class _Entry:
    """Where a variable lies: in which of the data files, from which byte on, and how it is to be read."""

    dtype: np.dtype
    shape: tuple[int, ...]
    shard: int
    offset: int
    num_bytes: int
    crc: int


def read(prefix: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Reads all variables of a checkpoint whose kind of numbers is known, by name; checksums are compared.

    Args:
        prefix: What `models.checkpoint_files` calls a checkpoint, `…/model.ckpt-N`.

    Raises:
        OSError: a file is missing or cannot be read.
        ValueError: the checkpoint is damaged.
    """
    index = pathlib.Path(f"{prefix}.index").read_bytes()
    try:
        pairs = dict(_table(index))
        num_shards = _fields(pairs.pop(b"", b"")).get(1, 1)
        entries = {name.decode(): entry for name, value in pairs.items() if (entry := _entry(value))}
    except _DAMAGE as error:
        raise ValueError(f"{prefix}: the checkpoint cannot be read (its index is damaged)") from error
    variables = {}
    with contextlib.ExitStack() as stack:
        paths = (pathlib.Path(f"{prefix}.data-{n:05d}-of-{num_shards:05d}") for n in range(num_shards))
        shards = [stack.enter_context(path.open("rb")) for path in paths]
        for name, entry in entries.items():
            content = _content(shards, entry)
            if len(content) != entry.num_bytes or _masked_crc(content) != entry.crc:
                raise ValueError(f"{prefix}: the checkpoint cannot be read ({name} is damaged)")
            variables[name] = np.frombuffer(content, entry.dtype).reshape(entry.shape)
    return variables


def _content(shards: Sequence[BinaryIO], entry: _Entry) -> bytes:
    """Returns the bytes of a variable; none where the files do not reach so far."""
    if entry.shard >= len(shards):
        return b""
    file = shards[entry.shard]
    if entry.offset + entry.num_bytes > file.seek(0, os.SEEK_END):
        return b""
    file.seek(entry.offset)
    return file.read(entry.num_bytes)


def _table(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yields the keys and values of a LevelDB table, in order."""
    footer = content[-_FOOTER_BYTES:]
    if len(footer) < _FOOTER_BYTES or struct.unpack("<Q", footer[-8:])[0] != _MAGIC:
        raise ValueError("no table")
    position = 0
    for _ in range(2):  # Of the block of blocks' properties, which is passed over.
        _, position = _varint(footer, position)
    for _, handle in _block(content, footer, position):
        yield from _block(content, handle, 0)


def _block(content: bytes, handle: bytes, position: int) -> Iterator[tuple[bytes, bytes]]:
    """Yields the keys and values of the block that a handle, at a position of some bytes, points to."""
    offset, position = _varint(handle, position)
    size, _ = _varint(handle, position)
    block, trailer = content[offset : offset + size], content[offset + size : offset + size + _TRAILER_BYTES]
    compression, crc = struct.unpack("<BI", trailer)
    if compression or _masked_crc(block + trailer[:1]) != crc:
        raise ValueError("a block that is compressed or damaged")
    (num_restarts,) = struct.unpack("<I", block[-4:])
    end, position, key = size - 4 * (num_restarts + 1), 0, b""
    while position < end:
        shared, position = _varint(block, position)
        added, position = _varint(block, position)
        length, position = _varint(block, position)
        key = key[:shared] + block[position : position + added]
        position += added
        yield key, block[position : position + length]
        position += length


def _entry(message: bytes) -> _Entry | None:
    """Parses a BundleEntryProto; None for numbers that no model here has, such as strings."""
    fields = _fields(message)
    if fields.get(1) not in _DTYPES:
        return None
    dimensions = [_fields(part).get(1, 0) for number, part in _parts(fields.get(2, b"")) if number == 2]
    return _Entry(
        np.dtype(_DTYPES[fields[1]]),
        tuple(dimensions),
        fields.get(3, 0),
        fields.get(4, 0),
        fields.get(5, 0),
        fields.get(6, 0),
    )


def _fields(message: bytes) -> dict[int, int | bytes]:
    """Returns the fields of a protocol buffer by number; of a repeated one the last."""
    return dict(_parts(message))


def _parts(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, position = _varint(message, position)
        elif kind == 2:
            length, position = _varint(message, position)
            value = message[position : position + length]
            position += length
        else:  # Fixed numbers of 8 or of 4 bytes.
            width = {1: 8, 5: 4}[kind]
            value = int.from_bytes(message[position : position + width], "little")
            position += width
        yield number, value


def _varint(content: bytes, position: int) -> tuple[int, int]:
    """Returns the number that is written in groups of seven bits at a position, and the position behind it."""
    number = shift = 0
    while True:
        byte = content[position]
        number |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return number, position
        if shift > 63:
            raise ValueError("a number that is too long")


def _masked_crc(content: bytes) -> int:
    crc = google_crc32c.value(content)
    return ((crc >> 15 | crc << 17) + _CRC_MASK) & 0xFFFFFFFF
