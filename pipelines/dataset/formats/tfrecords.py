"""TFRecord files without TensorFlow, whose import alone takes longer than converting a data set.

A record is its length (8 bytes, little-endian), the length's checksum, the data, the data's checksum; a checksum is a
masked CRC-32C (tensorflow/core/lib/io/record_writer.h, tensorflow/core/lib/hash/crc32c.h).
"""

from __future__ import annotations

import gzip
import hashlib
import os
import pathlib
import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO

import google_crc32c

_LENGTH = struct.Struct("<Q")
_CHECKSUM = struct.Struct("<I")
_HEADER_BYTES = _LENGTH.size + _CHECKSUM.size
_MASK_DELTA = 0xA282EAD8
_GZIP_MAGIC = b"\x1f\x8b"
_MAX_BYTES = 2**31  # The largest message that protobuf reads.


def write(file: BinaryIO, data: bytes) -> None:
    """Appends one record to a file open for writing."""
    length = _LENGTH.pack(len(data))
    file.write(b"".join((length, _masked_crc(length), data, _masked_crc(data))))


def read(path: str | os.PathLike[str]) -> Iterator[bytes]:
    """Yields the records of a TFRecord file; gzip-compressed ones are taken too.

    Raises:
        ValueError: the file is truncated, damaged or no TFRecord; names it and the record, counted from 0.
        OSError: it cannot be opened.
    """
    for _, data, _ in _frames(path, with_data=True):
        yield data


def has_header(path: str | os.PathLike[str]) -> bool:
    """Whether a file begins as a TFRecord does; an empty one is a TFRecord without records."""
    try:
        next(_frames(path, with_data=False), None)
    except ValueError as error:
        is_truncated = isinstance(error.__cause__, EOFError)  # Then the header was whole, if there was one.
        return is_truncated and pathlib.Path(path).stat().st_size > _HEADER_BYTES
    return True


def count(path: str | os.PathLike[str]) -> int:
    """Returns the number of records, looking at their headers alone; raises as `read` does."""
    return sum(1 for _ in _frames(path, with_data=False))


def fingerprint(paths: Iterable[str | os.PathLike[str]]) -> str:
    """Returns a hash of every record's length and checksum, which changes when a record does; raises as `read` does."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(b"file")
        for header, _, checksum in _frames(path, with_data=False):
            digest.update(header + checksum)
    return digest.hexdigest()


def _frames(path: str | os.PathLike[str], with_data: bool) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Yields the header, the data (empty unless asked for) and the data's checksum of each record."""
    number = 0
    with _open(pathlib.Path(path)) as file:
        try:
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            while header := file.read(_HEADER_BYTES):
                yield header, *_read_body(file, header, size, with_data)
                number += 1
        except (ValueError, OSError, EOFError, zlib.error) as error:
            raise ValueError(
                f"{path}: record {number} is damaged or this is no TFRecord ({error});"
                " python -m pipelines.convert writes such files anew"
            ) from error


def _open(path: pathlib.Path) -> BinaryIO:
    file = path.open("rb")
    if file.peek(2)[:2] != _GZIP_MAGIC:
        return file
    file.close()
    return gzip.open(path)


def _read_body(file: BinaryIO, header: bytes, size: int, with_data: bool) -> tuple[bytes, bytes]:
    if len(header) < _HEADER_BYTES:
        raise EOFError("the file ends within it")
    if header[_LENGTH.size :] != _masked_crc(header[: _LENGTH.size]):
        raise ValueError("its length has another checksum")
    (length,) = _LENGTH.unpack_from(header)
    if length > _MAX_BYTES or file.tell() + length + _CHECKSUM.size > size:
        raise EOFError("the file ends within it")
    data = file.read(length) if with_data else b""
    if not with_data:
        file.seek(length, os.SEEK_CUR)
    checksum = file.read(_CHECKSUM.size)
    if with_data and checksum != _masked_crc(data):
        raise ValueError("its data has another checksum")
    return data, checksum


def _masked_crc(data: bytes) -> bytes:
    crc = google_crc32c.value(data)
    return _CHECKSUM.pack((((crc >> 15) | (crc << 17)) + _MASK_DELTA) & 0xFFFFFFFF)
