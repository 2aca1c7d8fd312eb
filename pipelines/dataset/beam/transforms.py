"""What Apache Beam's workers do: convert chunks of files, count, and write each shard whole.

Nothing here is of a program's `__main__`: workers import it by its name. The pipeline is one chain of Create, ParDo and
GroupByKey, which is all that the simplest of Beam's runners (Dask's) does right: it drops what branches off.
"""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import dataclasses
import functools
import multiprocessing
from collections.abc import Iterable, Iterator, Sequence

import apache_beam as beam

from grooves import metadata
from pipelines.dataset import record_set
from pipelines.dataset.beam import parts
from pipelines.dataset.beam.parts import Chunk, Key
from pipelines.dataset.conversion import Job, convert_all
from pipelines.dataset.inputs import remote_folders
from pipelines.dataset.inputs.source import Inline, Source, Unreadable
from pipelines.dataset.performance import PRELOAD, Options
from pipelines.dataset.report.tally import Tally
from pipelines.files import workers

READS_AT_A_TIME = 8  # Of a worker; of a cloud's storage, each takes some 50 ms.

_idle_pools: dict[float, list[workers.Pool]] = collections.defaultdict(list)  # By the seconds that a file may take.


def convert(pipeline: beam.Pipeline, job: Job, chunks: Sequence[Chunk], staging: str) -> None:
    """Adds to a pipeline that chunks of sources become TFRecords in the folder `staging`, which `finish` completes."""
    _ = (
        pipeline
        | "Chunks" >> beam.Create(chunks)
        | "Convert" >> beam.ParDo(ConvertChunks(job, staging))
        | "ByShard" >> beam.GroupByKey()
        | "WriteShard" >> beam.Map(write_shard, staging, job.num_shards)
    )


def finish(job: Job, chunks: Sequence[Chunk], staging: str) -> Tally:
    """Returns what was counted, and takes away all but the TFRecords; checks that they are all there, too.

    Raises:
        ValueError: they are not: workers wrote them to disks of their own.
    """
    tally = parts.count(len(chunks), staging)
    wanted = {record_set.shard_name(*key, job.num_shards) for key in _every_key(job)}
    if not wanted <= set(remote_folders.names(staging)):
        raise ValueError(parts.NOT_SHARED)
    parts.delete_all_but(wanted, staging)
    return tally


class ConvertChunks(beam.DoFn):
    """Chunks → parts; yields each with the shards that it has records of, the first one with all.

    Each has a process of its own to convert in, so that a file that crashes or hangs it is lost alone.
    """

    def __init__(self, job: Job, staging: str) -> None:
        super().__init__()
        self._job = job
        self._staging = staging

    def setup(self) -> None:
        self._pool = _take_pool(self._job.file_timeout_secs)

    def process(self, chunk: Chunk) -> Iterator[tuple[Key, int]]:
        options = self._job.options
        found = parts.read_chunk(chunk, self._staging)
        fetched = (
            source
            for first in range(0, len(found), 2 * READS_AT_A_TIME)
            for source in fetch(found[first : first + 2 * READS_AT_A_TIME], options)
        )
        converted_files = convert_all(fetched, options, self._pool)
        keys = parts.write_part(chunk.number, converted_files, self._job.num_shards, self._staging)
        for key in _every_key(self._job) if chunk.number == 0 else keys:
            yield key, chunk.number

    def teardown(self) -> None:
        _idle_pools[self._job.file_timeout_secs].append(self._pool)


def close_idle_pools() -> None:
    """Ends the processes that conversions in this process have left to the next; a worker's end with it."""
    for pools in _idle_pools.values():
        while pools:
            pools.pop().__exit__()


def _take_pool(timeout_secs: float) -> workers.Pool:
    """Returns a process to convert in, one that waits if there is one: some runners set up a worker every few seconds.

    Threads may call this at the same time.
    """
    with contextlib.suppress(IndexError):
        return _idle_pools[timeout_secs].pop()
    multiprocessing.current_process().daemon = False  # Dask's are, and Python lets no such process start another.
    return workers.Pool(1, timeout_secs, preload=PRELOAD).__enter__()


def fetch(found: Iterable[Source], options: Options) -> list[Source]:
    """Reads what lies in a cloud's storage, several files at a time; other sources stay as they are."""
    with concurrent.futures.ThreadPoolExecutor(READS_AT_A_TIME) as threads:
        return list(threads.map(functools.partial(_fetch, options=options), found))


def write_shard(grouped: tuple[Key, Iterable[int]], staging: str, num_shards: int) -> None:
    """Writes one TFRecord from the parts that have records of it."""
    parts.write_shard(*grouped, num_shards, staging)


def _every_key(job: Job) -> list[Key]:
    return [(split, shard) for split in metadata.SPLITS for shard in range(job.num_shards)]


def _fetch(source: Source, options: Options) -> Source:
    if not isinstance(source.location, remote_folders.InFileSystem) or options.selection.reason_before_reading(source):
        return source
    try:
        return dataclasses.replace(source, location=Inline(source.read()))
    except (OSError, ValueError) as error:
        return dataclasses.replace(source, location=Unreadable(str(error)))
