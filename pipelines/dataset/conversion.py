"""The conversion: collections of performances → TFRecords of NoteSequences for each split, and their report.

`convert` does it with processes of this machine; `beam.runner.convert` does the same with Apache Beam.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import itertools
import json
import os
import pathlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from grooves import channels, drum_map_file, drums
from pipelines.dataset import record_set
from pipelines.dataset.inputs import sources
from pipelines.dataset.inputs.source import Source
from pipelines.dataset.performance import PRELOAD, Converted, Options, convert_file, find_evidence
from pipelines.dataset.report import page, tally
from pipelines.dataset.report.tally import Tally
from pipelines.files import progress, workers
from pipelines.files.midi_files import printable

VERSION = 1  # Of the records' content; a folder of another version counts as one of other settings.
FILE_TIMEOUT_SECS = 60
FILES_A_PROCESS = 200  # Starting one takes as long as converting so many files.
SAMPLE_FILES = 64  # To see which kit a collection was played on.


@dataclasses.dataclass(frozen=True)
class Job:
    """What is converted, and how.

    Attributes:
        inputs: Each "starter", a folder, a zip, "groove", a TFDS name or a TFRecord of NoteSequences.
        options: What to take and how to read it; everything, where nothing is said.
        num_shards: TFRecord files a split.
        num_workers: Processes; None is one a core, or what Beam's runner chooses.
        file_timeout_secs: A file that takes longer is skipped.
        tfds_data_dir: Where TFDS keeps its data sets; None is its own choice.
    """

    inputs: Sequence[str]
    options: Options = dataclasses.field(default_factory=Options)
    num_shards: int = 1
    num_workers: int | None = None
    file_timeout_secs: float = FILE_TIMEOUT_SECS
    tfds_data_dir: str | None = None

    def settings(self) -> dict:
        """Returns what the output depends on, apart from the data themselves, by the names of the flags."""
        paths = [pathlib.Path(name).expanduser() for name in self.inputs]
        inputs = [path.resolve() if path.exists() else name for name, path in zip(self.inputs, paths, strict=True)]
        selected = {name: value for name, value in dataclasses.asdict(self.options.selection).items() if value}
        if self.options.drum_channel != channels.PERCUSSION:
            selected["drum_channel"] = self.options.drum_channel
        return {
            "version": VERSION,
            "input": list(map(printable, inputs)),
            "drum_map": self.options.drum_map.label if self.options.drum_map else drum_map_file.AUTO,
            "stride_bars": self.options.stride_bars,
            "num_shards": self.num_shards,
            **json.loads(json.dumps(selected)),
        }


def convert(
    given: str | Sequence[str], output_dir: str | os.PathLike[str], *, overwrite: bool = False, **choices: Any
) -> dict:
    """Converts collections of MIDI files to TFRecords of NoteSequences.

    Args:
        given: One of the inputs of a `Job`, or several.
        output_dir: Where the TFRecords and the report go; those of an earlier run with the same settings are replaced.
        overwrite: Replaces the output of an earlier run with other settings, too.
        **choices: The other attributes of the `Job`.

    Returns:
        The report, as written to report.json.

    Raises:
        FileNotFoundError: there is no such collection.
        ValueError: nothing in it gives a four-bar window of drums, or `output_dir` has the output of other settings.
        OSError: `output_dir` cannot be written to.
    """
    job = Job([given] if isinstance(given, str) else list(given), **choices)

    def write_records(collection: sources.Collection, staging: pathlib.Path) -> Tally:
        counts = Tally()
        num_workers = job.num_workers or min(os.cpu_count() or 1, 1 + collection.size // FILES_A_PROCESS)
        with workers.Pool(num_workers, job.file_timeout_secs, preload=PRELOAD) as pool:
            page.prepare()  # While the workers start.
            options = settle_drum_map(job.options, collection, pool.run)
            converted_files = convert_all(collection.walk(), options, pool)
            with record_set.RecordFiles(staging, job.num_shards) as files:
                for converted in progress.track(converted_files, collection.size, "files"):
                    counts.add(converted)
                    files.write(converted)
        return counts

    return replace_output(record_set.Folder(output_dir), write_records, job, overwrite)


def replace_output(output: record_set.Folder, write_records: Callable[..., Tally], job: Job, overwrite: bool) -> dict:
    """Replaces what is in a folder by the records of a job and their report, after all checks: any conversion's frame.

    Args:
        output: The folder.
        write_records: Takes the collection and a folder to write to; returns what it counted.
        job: What is converted.
        overwrite: As of `convert`, like what is returned and raised.
    """
    settings = job.settings()
    output.check(settings, overwrite)
    collection = sources.open_collections(job.inputs, job.tfds_data_dir)
    job.options.selection.check(collection.known)
    with output.replacing() as staging:
        counts = write_records(collection, staging)
        given = list(map(printable, job.inputs))
        report = counts.report(given, settings, collection.missing, collection.unlisted, collection.repeated)
        if not sum(report["windows"].values()):
            raise ValueError(f"{report['input']}: {_explain_nothing(report)}")
        output.write_report(report, staging)
    return report


def convert_all(found: Iterable[Source], options: Options, pool: workers.Pool) -> Iterator[Converted]:
    """Converts files in a pool, in their order; one that crashes its process or takes too long is unreadable."""
    for outcome in pool.run(functools.partial(convert_file, options=options), found):
        source = outcome.item
        yield outcome.result or Converted(
            source.name, source.collection, source.split, skipped=f"unreadable: {outcome.failed}"
        )


def settle_drum_map(options: Options, collection: sources.Collection, run: Callable) -> Options:
    """Looks at a few files to say what holds, without a drum map, for performances whose own hits fit both.

    Args:
        options: As given.
        collection: Its files, of which some spread over the whole are read.
        run: Applies a function to sources, as `workers.Pool.run` does.

    Returns:
        The options with `otherwise` set.
    """
    if options.drum_map:
        return options
    every = max(1, collection.size // SAMPLE_FILES)
    sample = itertools.islice(collection.walk(), 0, None, every)
    find = functools.partial(find_evidence, drum_channel=options.drum_channel)
    votes = collections.Counter(outcome.result for outcome in run(find, sample))
    return dataclasses.replace(options, otherwise=drums.ROLAND if votes[drums.ROLAND] > votes[drums.GM] else drums.GM)


def _explain_nothing(report: dict) -> str:
    """Returns why there is no four-bar window in what was converted."""
    if report["files_kept"]:
        return f"no usable examples: none of the {report['files_kept']} drum files has four bars without a pause"
    reasons = ", ".join(f"{reason} ({count})" for reason, count in report["skipped_by_reason"].items())
    where = tally.where_notes_are(report)
    advice = f";\n  {where}" if where else ""
    return f"no usable examples: all {report['files_found']} files were skipped: {reasons}{advice}"
