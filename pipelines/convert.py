"""MIDI → NoteSequence TFRecords, one set per split.

    python -m pipelines.convert --input=starter --output_dir=data/tfrecord/starter
    python -m pipelines.convert --input=groove.zip --input=my/midi --styles=funk,rock --output_dir=data/tfrecord/funky
    python -m pipelines.convert --input=lakh --output_dir=lakh_records --num_shards=100 --runner=DirectRunner

Writes `{train,validation,test}.tfrecord` (or shards of them), `report.json` and the same as a page, `report.html`: what
was found, kept and skipped, why, and how many four-bar windows there are. With `--runner`, the work is done by Apache
Beam (`pipelines/beam.py`), and all of Beam's own flags are taken.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import itertools
import json
import os
import pathlib
from collections.abc import Callable, Iterator, Sequence

from absl import flags

from grooves import drums
from pipelines import cli
from pipelines.dataset import record_set
from pipelines.dataset.inputs import sources
from pipelines.dataset.performance import Converted, Options, convert_file, find_evidence, lost
from pipelines.dataset.report import table, tally
from pipelines.dataset.selection import Selection
from pipelines.files import atomic, progress, workers

VERSION = 1  # Of the records' content; a folder of another version counts as one of other settings.
FILE_TIMEOUT_SECS = 60
FILES_A_PROCESS = 200  # Starting one takes as long as converting so many files.
SAMPLE_FILES = 64  # To see which kit a collection was played on.


def convert(
    given: str | Sequence[str],
    output_dir: str | os.PathLike[str],
    *,
    options: Options | None = None,
    num_shards: int = 1,
    num_workers: int | None = None,
    file_timeout_secs: float = FILE_TIMEOUT_SECS,
    tfds_data_dir: str | None = None,
    overwrite: bool = False,
) -> dict:
    """Converts collections of MIDI files to TFRecords of NoteSequences.

    Args:
        given: One or several of: "starter", a folder, a zip, "groove", a TFDS name, a TFRecord of NoteSequences.
        output_dir: Where the TFRecords and the report go; those of an earlier run with the same settings are replaced.
        options: What to take and how to read it; None is everything.
        num_shards: TFRecord files a split.
        num_workers: Processes; None is one a core.
        file_timeout_secs: A file that takes longer is skipped.
        tfds_data_dir: Where TFDS keeps its data sets.
        overwrite: Replaces the output of an earlier run with other settings, too.

    Returns:
        The report, as written to report.json.

    Raises:
        FileNotFoundError: there is no such collection.
        ValueError: nothing in it gives a four-bar window of drums, or `output_dir` has the output of other settings.
        OSError: `output_dir` cannot be written to.
    """
    given = [given] if isinstance(given, str) else list(given)
    options = options or Options()
    output_dir = pathlib.Path(output_dir).expanduser()
    settings = describe_settings(given, options, num_shards)
    record_set.check(output_dir, settings, overwrite)
    collection = sources.open_collections(given, tfds_data_dir)
    options.selection.check(collection.known)
    num_workers = num_workers or min(os.cpu_count() or 1, 1 + collection.size // FILES_A_PROCESS)
    counts = tally.Tally()
    with (
        atomic.replacing_all(output_dir, record_set.is_output) as staging,
        workers.Pool(num_workers, file_timeout_secs, preload=("pipelines.dataset.formats.midi",)) as pool,
    ):
        options = settle_drum_map(options, collection, pool.run)
        with record_set.RecordFiles(staging, num_shards) as files:
            for converted in _convert_all(collection, options, pool):
                counts.add(converted)
                files.write(converted)
        report = make_report(counts, given, settings, collection)
        record_set.write_report(report, staging)
    return report


def settle_drum_map(options: Options, collection: sources.Collection, run: Callable) -> Options:
    """Looks at a few files to say what holds, with "auto", for performances whose own hits fit both drum maps.

    Args:
        options: As given.
        collection: Its files, of which some spread over the whole are read.
        run: As `workers.run`, applied to a function and items.

    Returns:
        The options with `otherwise` set.
    """
    if options.drum_map != drums.AUTO:
        return options
    every = max(1, collection.size // SAMPLE_FILES)
    sample = itertools.islice(collection.walk(), 0, None, every)
    votes = collections.Counter(outcome.result for outcome in run(find_evidence, sample))
    return dataclasses.replace(options, otherwise=drums.ROLAND if votes[drums.ROLAND] > votes[drums.GM] else drums.GM)


def describe_settings(given: Sequence[str], options: Options, num_shards: int) -> dict:
    """Returns what the output depends on, apart from the data themselves, by the names of the flags."""
    inputs = [str(pathlib.Path(name).expanduser().resolve()) if pathlib.Path(name).exists() else name for name in given]
    selected = {name: value for name, value in dataclasses.asdict(options.selection).items() if value}
    return {
        "version": VERSION,
        "input": inputs,
        "drum_map": options.drum_map,
        "stride_bars": options.stride_bars,
        "num_shards": num_shards,
        **json.loads(json.dumps(selected)),
    }


def make_report(counts: tally.Tally, given: Sequence[str], settings: dict, collection: sources.Collection) -> dict:
    """Returns the report of what was converted.

    Raises:
        ValueError: nothing in it gives a four-bar window of drums.
    """
    report = counts.report(given, settings, collection.missing, collection.unlisted, collection.repeated)
    if not sum(report["windows"].values()):
        raise ValueError(f"{', '.join(given)}: {_explain_nothing(report)}")
    return report


def _explain_nothing(report: dict) -> str:
    """Returns why there is no four-bar window in what was converted."""
    if report["files_kept"]:
        return f"no usable examples: none of the {report['files_kept']} drum files has four bars without a pause"
    reasons = ", ".join(f"{reason} ({count})" for reason, count in report["skipped_by_reason"].items())
    return f"no usable examples: all {report['files_found']} files were skipped: {reasons}"


def _convert_all(collection: sources.Collection, options: Options, pool: workers.Pool) -> Iterator[Converted]:
    outcomes = pool.run(functools.partial(convert_file, options=options), collection.walk())
    for outcome in progress.track(outcomes, collection.size, "files"):
        yield outcome.result or lost(outcome.item, outcome.failed)


def define_flags() -> None:
    flags.DEFINE_multi_string(
        "input",
        None,
        "What to convert: starter, a folder, a zip, a MIDI file, groove, a TFDS name or a TFRecord.",
        required=True,
    )
    flags.DEFINE_string("output_dir", None, "Folder for the TFRecords and the report.", required=True)
    flags.DEFINE_bool("overwrite", False, "Replace what an earlier run with other settings wrote there.")
    flags.DEFINE_enum(
        "drum_map", drums.AUTO, [*drums.DRUM_MAPS, drums.AUTO], "How pitches are read; auto: as the hits speak for."
    )
    flags.DEFINE_integer("stride_bars", 1, "Bars from one window to the next, for counting.", lower_bound=1)
    flags.DEFINE_list("styles", [], "Only these styles of info.csv, for instance funk,rock/folk.")
    flags.DEFINE_list("drummers", [], "Only these drummers of info.csv.")
    flags.DEFINE_list("beat_types", [], "Only these of info.csv: beat, fill.")
    flags.DEFINE_list("time_signatures", [], "Only these, for instance 4-4.")
    flags.DEFINE_float("min_bpm", None, "Only from this tempo on, quarters a minute.", lower_bound=0)
    flags.DEFINE_float("max_bpm", None, "Only up to this tempo, quarters a minute.", lower_bound=0)
    flags.DEFINE_list("splits", [], "Only these: train, validation, test.")
    flags.DEFINE_integer("num_shards", 1, "TFRecord files a split.", lower_bound=1, upper_bound=record_set.MAX_SHARDS)
    flags.DEFINE_integer("num_workers", None, "Processes to convert in; default: one a core.", lower_bound=1)
    flags.DEFINE_float("file_timeout_secs", FILE_TIMEOUT_SECS, "A file that takes longer is skipped.", lower_bound=0.1)
    flags.DEFINE_string("tfds_data_dir", None, "Where TFDS keeps its data sets; default: its own choice.")
    flags.DEFINE_string("runner", None, "Convert with Apache Beam on this runner; all of Beam's flags are taken.")


def main(beam_flags: Sequence[str] = ()) -> None:
    args = flags.FLAGS
    selection = Selection(
        args.styles,
        args.drummers,
        args.beat_types,
        args.min_bpm,
        args.max_bpm,
        args.time_signatures,
        args.splits,
    )
    options = Options(args.drum_map, stride_bars=args.stride_bars, selection=selection)
    convert_all = convert
    if args.runner is not None:
        from pipelines.dataset.beam import runner

        convert_all = functools.partial(runner.convert, runner=args.runner, beam_flags=beam_flags)
    report = convert_all(
        args.input,
        args.output_dir,
        options=options,
        num_shards=args.num_shards,
        num_workers=args.num_workers,
        file_timeout_secs=args.file_timeout_secs,
        tfds_data_dir=args.tfds_data_dir,
        overwrite=args.overwrite,
    )
    table.print_report(report, args.output_dir)


if __name__ == "__main__":
    cli.run(main, define_flags, passes_on="runner")
