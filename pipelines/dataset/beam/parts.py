"""What workers hand on by way of files: chunks of sources, and of each chunk its records and what was counted in them.

Through Beam's runner go the numbers of chunks alone. So no process holds more than a chunk, however many files there
are, and a runner needs nothing but to call functions. The files lie in a folder of the output's, and go at the end.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import io
import itertools
import pickle
import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO

from pipelines.dataset import record_set
from pipelines.dataset.formats import tfrecords
from pipelines.dataset.inputs import remote_folders
from pipelines.dataset.inputs.remote_folders import CompressionTypes, FileSystems
from pipelines.dataset.inputs.source import Source
from pipelines.dataset.performance import Converted
from pipelines.dataset.report.tally import Tally

MIN_CHUNK_FILES, MAX_CHUNK_FILES = 16, 256  # Few for small inputs, so that every worker has some.
_WANTED_CHUNKS = 200
NOT_SHARED = (
    "Beam's workers wrote to disks of their own;"
    " give an --output_dir that all machines share, under one path or such as gs:// or hdfs://"
)
_MAX_READ_BYTES = 2**22
_FOLDER = ".parts"
_TAIL = struct.Struct("<QQ")  # Bytes of the index and of the tally, which lie before it.

Key = tuple[str, int]  # A split and the number of a shard.
_Span = tuple[int, int]  # Offset and size.
_Index = dict[Key, list[_Span]]


@dataclasses.dataclass(frozen=True)
class Chunk:
    """Sources that are converted together.

    Attributes:
        number: Its place among the chunks.
        offset: Where it lies in the file of all sources.
        size: Its bytes there.
    """

    number: int
    offset: int
    size: int


def write_chunks(found: Iterable[Source], num_files: int, staging: str) -> list[Chunk]:
    """Writes sources to the folder `staging`, for workers to read; returns their chunks, one at least.

    Args:
        found: The sources in their order; consumed once.
        num_files: About how many there are.
        staging: On a disk or not.
    """
    chunk_files = min(max(num_files // _WANTED_CHUNKS, MIN_CHUNK_FILES), MAX_CHUNK_FILES)
    remaining, chunks, offset = iter(found), [], 0
    with remote_folders.writing(_sources_path(staging)) as file:
        while (sources := list(itertools.islice(remaining, chunk_files))) or not chunks:
            content = pickle.dumps(sources)
            file.write(content)
            chunks.append(Chunk(len(chunks), offset, len(content)))
            offset += len(content)
    return chunks


def read_chunk(chunk: Chunk, staging: str) -> list[Source]:
    """Returns the sources of a chunk; raises ValueError where this machine does not see them."""
    with _opened(_sources_path(staging)) as file:
        file.seek(chunk.offset)
        return pickle.loads(file.read(chunk.size))


def write_part(number: int, converted_files: Iterable[Converted], num_shards: int, staging: str) -> list[Key]:
    """Writes the records of a chunk, and what there is to count in it, as one file.

    Two workers may do the same chunk. One file is then as good as the other, if a machine's load made no file take too
    long; so what is returned is of the file that stayed.

    Returns:
        The shards that it has records of.
    """
    index: _Index = collections.defaultdict(list)
    tally, offset = Tally(), 0
    with remote_folders.writing(_part_path(number, staging)) as file:
        for converted in converted_files:
            tally.add(converted)
            if converted.skipped:
                continue
            frame = io.BytesIO()
            tfrecords.write(frame, converted.record)
            file.write(frame.getvalue())
            size = frame.tell()
            index[converted.split, record_set.shard_of(converted, num_shards)].append((offset, size))
            offset += size
        counted = (pickle.dumps(dict(index)), pickle.dumps(tally))
        file.write(b"".join((*counted, _TAIL.pack(*map(len, counted)))))
    with _opened(_part_path(number, staging)) as file:
        return sorted(_read_index(file))


def write_shard(key: Key, numbers: Iterable[int], num_shards: int, staging: str) -> None:
    """Writes one TFRecord from the parts with these numbers, in their order."""
    name = record_set.shard_name(*key, num_shards)
    with remote_folders.writing(f"{staging}/{name}") as shard:
        for number in sorted(numbers):
            with _opened(_part_path(number, staging)) as part:
                for offset, size in _joined(_read_index(part).get(key, [])):
                    part.seek(offset)
                    shard.write(part.read(size))


def count(num_parts: int, staging: str) -> Tally:
    """Returns what was counted in all parts; raises ValueError where one is not there."""
    tally = Tally()
    for number in range(num_parts):
        with _opened(_part_path(number, staging)) as file:
            tally.merge(pickle.loads(_read_before_tail(file)[1]))
    return tally


def delete_all_but(names: Iterable[str], staging: str) -> None:
    """Deletes all files in `staging` but those with these names: the parts, and what workers that died have left."""
    kept = {f"{staging}/{name}" for name in names}
    FileSystems.delete([path for path in remote_folders.walk(staging) if path not in kept])
    with contextlib.suppress(OSError):  # A cloud's storage has no folders.
        FileSystems.delete([f"{staging}/{_FOLDER}"])


def _sources_path(staging: str) -> str:
    return f"{staging}/{_FOLDER}/sources"


def _part_path(number: int, staging: str) -> str:
    return f"{staging}/{_FOLDER}/{number:06d}"


@contextlib.contextmanager
def _opened(path: str) -> Iterator[BinaryIO]:
    try:
        file = FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED)
    except OSError as error:
        raise ValueError(NOT_SHARED) from error
    with file:
        yield file


def _read_index(file: BinaryIO) -> _Index:
    return pickle.loads(_read_before_tail(file)[0])


def _read_before_tail(file: BinaryIO) -> tuple[bytes, bytes]:
    """Returns the pickled index and tally of a part."""
    end = file.seek(0, io.SEEK_END) - _TAIL.size
    file.seek(end)
    index_size, tally_size = _TAIL.unpack(file.read(_TAIL.size))
    file.seek(end - index_size - tally_size)
    return file.read(index_size), file.read(tally_size)


def _joined(spans: Sequence[_Span]) -> Iterator[_Span]:
    """Joins spans that touch, for fewer and longer reads."""
    joined: list[_Span] = []
    for offset, size in spans:
        if joined and sum(joined[-1]) == offset and joined[-1][1] + size <= _MAX_READ_BYTES:
            joined[-1] = (joined[-1][0], joined[-1][1] + size)
        else:
            joined.append((offset, size))
    return iter(joined)
