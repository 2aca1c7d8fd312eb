"""What Apache Beam's workers do: list the files, convert them, count, and write each shard whole.

Nothing here is of a program's `__main__`: workers import it by its name.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import functools
import itertools
import pickle
from collections.abc import Iterable, Iterator, Sequence

import apache_beam as beam

from grooves import metadata
from pipelines.dataset import record_set
from pipelines.dataset.conversion import Job, convert_all
from pipelines.dataset.formats import tfrecords
from pipelines.dataset.inputs import remote_folders, sources
from pipelines.dataset.inputs.source import Inline, Source, Unreadable
from pipelines.dataset.performance import PRELOAD, Converted, Options
from pipelines.dataset.report.tally import Tally
from pipelines.files import workers

TALLY_NAME = ".tally"
CHUNK_FILES = 16  # That travel together.
READS_AT_A_TIME = 8  # Of a worker; of a cloud's storage, each takes some 50 ms.
COUNTED = "counted"
_NO_RECORD = (-1, b"")

Key = tuple[str, int]  # A split and the number of a shard.
Numbered = tuple[int, bytes]  # A source's place in the order, and its record.
Chunk = list[tuple[int, Source]]


def convert(pipeline: beam.Pipeline, job: Job, staging: str) -> None:
    """Adds to a pipeline that a job's inputs become TFRecords in the folder `staging`, with a `Tally` beside them."""
    chunks = (
        pipeline
        | "Inputs" >> beam.Create([list(job.inputs)])
        | "List" >> beam.FlatMap(list_chunks, job.tfds_data_dir)
        | "Spread" >> beam.Reshuffle()
    )
    convert_chunks(chunks, job, staging)


def convert_chunks(chunks: beam.PCollection, job: Job, staging: str) -> None:
    """The same for chunks of sources."""
    converted = chunks | "Convert" >> beam.ParDo(ConvertFiles(job)).with_outputs(COUNTED, main="records")
    shards = [(split, shard) for split in metadata.SPLITS for shard in range(job.num_shards)]
    every_shard = chunks.pipeline | "Shards" >> beam.Create([(key, _NO_RECORD) for key in shards])
    _ = converted[COUNTED] | "Count" >> beam.CombineGlobally(Count()) | "WriteTally" >> beam.Map(write_tally, staging)
    _ = (
        (converted.records, every_shard)
        | "WithEmptyShards" >> beam.Flatten()
        | "ByShard" >> beam.GroupByKey()
        | "WriteShard" >> beam.Map(write_shard, staging, job.num_shards)
    )


def list_chunks(given: Sequence[str], tfds_data_dir: str | None) -> Iterator[Chunk]:
    """Yields the sources of all inputs, each with its place in their order."""
    numbered = enumerate(sources.open_collections(given, tfds_data_dir).walk())
    while chunk := list(itertools.islice(numbered, CHUNK_FILES)):
        yield chunk


class ConvertFiles(beam.DoFn):
    """Chunks → records by shard, and apart from them what there is to count.

    Each has a process of its own to convert in, so that a file that crashes or hangs it is lost alone.
    """

    def __init__(self, job: Job) -> None:
        super().__init__()
        self._job = job

    def setup(self) -> None:
        self._open = contextlib.ExitStack()
        self._pool = self._open.enter_context(workers.Pool(1, self._job.file_timeout_secs, preload=PRELOAD))

    def process(self, chunk: Chunk) -> Iterator[tuple[Key, Numbered] | beam.pvalue.TaggedOutput]:
        places, found = zip(*chunk, strict=True)
        options = self._job.options
        converted_files = convert_all(fetch(found, options), options, self._pool)
        for place, converted in zip(places, converted_files, strict=True):
            if not converted.skipped:
                shard = record_set.shard_of(converted, self._job.num_shards)
                yield (converted.split, shard), (place, converted.record)
            yield beam.pvalue.TaggedOutput(COUNTED, dataclasses.replace(converted, record=b""))

    def teardown(self) -> None:
        self._open.close()


def fetch(found: Iterable[Source], options: Options) -> list[Source]:
    """Reads what lies in a cloud's storage, several files at a time; other sources stay as they are."""
    with concurrent.futures.ThreadPoolExecutor(READS_AT_A_TIME) as threads:
        return list(threads.map(functools.partial(_fetch, options=options), found))


def write_shard(grouped: tuple[Key, Iterable[Numbered]], staging: str, num_shards: int) -> None:
    """Writes one TFRecord, in the order of its sources; a shard has to fit into a worker's memory."""
    (split, shard), numbered = grouped
    with remote_folders.writing(f"{staging}/{record_set.shard_name(split, shard, num_shards)}") as file:
        for place, record in sorted(numbered):
            if place >= 0:
                tfrecords.write(file, record)


def write_tally(tally: Tally, staging: str) -> None:
    with remote_folders.writing(f"{staging}/{TALLY_NAME}") as file:
        pickle.dump(tally, file)


def take_tally(staging: str, num_shards: int) -> Tally:
    """Returns what was counted, and takes it away; checks that all TFRecords are there, too.

    Raises:
        ValueError: they are not: workers wrote them to disks of their own.
    """
    wanted = {record_set.shard_name(split, n, num_shards) for split in metadata.SPLITS for n in range(num_shards)}
    if not {*wanted, TALLY_NAME} <= set(remote_folders.names(staging)):
        raise ValueError(
            "Beam's workers wrote the records to disks of their own;"
            " give an --output_dir that all machines share, such as gs:// or hdfs://"
        )
    tally = pickle.loads(remote_folders.read(f"{staging}/{TALLY_NAME}"))
    remote_folders.FileSystems.delete([f"{staging}/{TALLY_NAME}"])
    return tally


class Count(beam.CombineFn):
    """Converted files → their `Tally`."""

    def create_accumulator(self) -> Tally:
        return Tally()

    def add_input(self, tally: Tally, converted: Converted) -> Tally:
        return tally.add(converted)

    def merge_accumulators(self, tallies: Iterable[Tally]) -> Tally:
        return functools.reduce(Tally.merge, tallies, Tally())

    def extract_output(self, tally: Tally) -> Tally:
        return tally


def _fetch(source: Source, options: Options) -> Source:
    if not isinstance(source.location, remote_folders.InFileSystem) or options.selection.reason_before_reading(source):
        return source
    try:
        return dataclasses.replace(source, location=Inline(source.read()))
    except (OSError, ValueError) as error:
        return dataclasses.replace(source, location=Unreadable(str(error)))
