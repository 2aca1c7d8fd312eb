"""MIDI → NoteSequence TFRecords, one set per split.

    python -m pipelines.convert --input=starter --output_dir=data/tfrecord/starter

Writes `{train,validation,test}.tfrecord` (or shards of them) and `report.json`: what was found, kept and skipped, why,
and how many four-bar windows each split gives.
"""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import dataclasses
import hashlib
import json
import multiprocessing
import os
import pathlib
import re
from collections.abc import Iterable, Iterator

from absl import flags

from pipelines import atomic, cli, progress, sources

REPORT_NAME = "report.json"
WINDOW_CONFIG = "hier-drums_4bar_small"  # Its converter says what a four-bar window is.
WORTH_A_POOL = 150  # Files. Each process of a pool spends five seconds on imports first.


@dataclasses.dataclass(frozen=True)
class Converted:
    """A file after conversion: its NoteSequence, or the reason why there is none."""

    name: str
    split: str
    record: bytes = b""
    num_windows: int = 0
    skipped: str = ""


def convert(
    given: str, output_dir: str | os.PathLike[str], num_shards: int = 1, num_workers: int | None = None
) -> dict:
    """Converts a collection of MIDI files to TFRecords of NoteSequences.

    Args:
        given: "starter", a folder, a zip, "groove" or a TFDS name.
        output_dir: Where the TFRecords and report.json go; older ones there are replaced.
        num_shards: TFRecord files a split.
        num_workers: Processes; None is one a core.

    Returns:
        The report, as written to report.json.

    Raises:
        FileNotFoundError: there is no such collection.
        ValueError: nothing in it gives a four-bar window of drums.
        OSError: `output_dir` cannot be written to.
    """
    output_dir = pathlib.Path(output_dir)
    if output_dir.exists() and not output_dir.is_dir():
        raise ValueError(f"{output_dir}: is a file; --output_dir takes a folder")
    collection = sources.open_collection(given)
    atomic.check_folder(output_dir)
    with contextlib.closing(_convert_all(collection, num_workers or os.cpu_count() or 1)) as work:
        converted = sorted(progress.track(work, collection.size, "files"), key=lambda file: file.name)
    report = make_report(given, converted, collection.missing)
    if not sum(report["windows"].values()):
        raise ValueError(f"{given}: {_explain_nothing(report)}")
    _write(output_dir, converted, report, num_shards)
    return report


def convert_file(source: sources.Source, collection_name: str) -> Converted:
    """Converts one file; nothing in it makes this raise."""
    from pipelines import drums, examples  # TensorFlow: too slow to import for a wrong flag.

    if source.midi is None:
        return Converted(source.name, source.split, skipped=f"unreadable: {source.error}")
    try:
        sequence = drums.read_midi(source.midi)
    except ValueError as error:
        return Converted(source.name, source.split, skipped=str(error))
    skipped = drums.reason_to_skip(sequence)
    if skipped:
        return Converted(source.name, source.split, skipped=skipped)
    sequence.filename = source.name
    sequence.collection_name = collection_name
    # The form of the id is that of Magenta's convert_dir_to_note_sequences.
    sequence.id = f"/id/midi/{collection_name}/{hashlib.sha1(source.name.encode()).hexdigest()}"
    windows = examples.tensors_of(_window_converter(), sequence).inputs
    return Converted(source.name, source.split, sequence.SerializeToString(), len(windows))


def make_report(given: str, converted: Iterable[Converted], missing: Iterable[str]) -> dict:
    """Counts what was found, kept and skipped; the numbers add up to the files found."""
    converted = list(converted)
    kept = [file for file in converted if not file.skipped]
    skipped = {file.name: file.skipped for file in converted if file.skipped}
    splits = {
        split: {
            "files": sum(file.split == split for file in kept),
            "windows": sum(file.num_windows for file in kept if file.split == split),
        }
        for split in sources.SPLITS
    }
    return {
        "input": str(given),
        "files_found": len(converted),
        "files_kept": len(kept),
        "files_skipped": len(skipped),
        "files_without_a_four_bar_window": sum(not file.num_windows for file in kept),
        "windows": {split: counts["windows"] for split, counts in splits.items()},
        "splits": splits,
        "skipped_by_reason": dict(collections.Counter(reason.split(":")[0] for reason in skipped.values())),
        "skipped": skipped,
        "listed_but_missing": list(missing),
    }


def print_report(report: dict, output_dir: str | os.PathLike[str]) -> None:
    """Prints the report as a person reads it."""
    print(f"{report['files_found']} files found, {report['files_kept']} kept, {report['files_skipped']} skipped")
    for reason, count in sorted(report["skipped_by_reason"].items()):
        names = [name for name, why in report["skipped"].items() if why.split(":")[0] == reason]
        print(f"  {reason}: {count} ({', '.join(names[:3])}{', …' if count > 3 else ''})")
    if report["listed_but_missing"]:
        print(f"  listed in info.csv but not there: {len(report['listed_but_missing'])}")
    print(f"{'split':<12}{'files':>8}{'four-bar windows':>20}")
    for split, counts in report["splits"].items():
        print(f"{split:<12}{counts['files']:>8}{counts['windows']:>20}")
    print(f"  {report['files_without_a_four_bar_window']} of the files kept have no four bars without a pause")
    print(f"written to {output_dir}; each skipped file with its reason is in {REPORT_NAME}")


def _convert_all(collection: sources.Collection, num_workers: int) -> Iterator[Converted]:
    if num_workers == 1 or collection.size < WORTH_A_POOL:
        for source in collection.walk():
            yield convert_file(source, collection.name)
        return
    context = multiprocessing.get_context("spawn")  # A fork of a process with TensorFlow in it hangs.
    with concurrent.futures.ProcessPoolExecutor(num_workers, mp_context=context) as pool:
        try:
            waiting = [pool.submit(convert_file, source, collection.name) for source in collection.walk()]
            for future in concurrent.futures.as_completed(waiting):
                yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _window_converter():
    import configs

    if not hasattr(_window_converter, "kept"):
        _window_converter.kept = configs.CONFIG_MAP[WINDOW_CONFIG].data_converter
    return _window_converter.kept


def _explain_nothing(report: dict) -> str:
    if report["files_kept"]:
        return f"no usable examples: none of the {report['files_kept']} drum files has four bars without a pause"
    reasons = ", ".join(f"{reason} ({count})" for reason, count in report["skipped_by_reason"].items())
    return f"no usable examples: all {report['files_found']} files were skipped: {reasons}"


def _write(output_dir: pathlib.Path, converted: list[Converted], report: dict, num_shards: int) -> None:
    """Writes all files beside their places, then renames them one after the other, the report last."""
    from models.environment import tf

    with contextlib.ExitStack() as renames:
        # An ExitStack leaves in reverse order: the report, entered first, is renamed last.
        report_path = renames.enter_context(atomic.replacing(output_dir / REPORT_NAME))
        report_path.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        current = set()
        for split in sources.SPLITS:
            records = [file.record for file in converted if file.split == split and not file.skipped]
            for number in range(num_shards):
                name = f"{split}.tfrecord" + (f"-{number:05d}-of-{num_shards:05d}" if num_shards > 1 else "")
                current.add(name)
                path = renames.enter_context(atomic.replacing(output_dir / name))
                with tf.io.TFRecordWriter(str(path)) as writer:
                    for record in records[number::num_shards]:
                        writer.write(record)
    for split in sources.SPLITS:  # A rerun with other shards must not leave the old ones to be read as well.
        for path in output_dir.glob(f"{split}.tfrecord*"):
            if path.name not in current and re.fullmatch(rf"{split}\.tfrecord(-\d{{5,}}-of-\d{{5,}})?", path.name):
                path.unlink()


def define_flags() -> None:
    flags.DEFINE_string(
        "input", None, "What to convert: starter, a folder, a zip, groove or a TFDS name.", required=True
    )
    flags.DEFINE_string("output_dir", None, "Folder for the TFRecords and report.json.", required=True)
    flags.DEFINE_integer("num_shards", 1, "TFRecord files a split.", lower_bound=1)
    flags.DEFINE_integer("num_workers", None, "Processes to convert in; default: one a core.", lower_bound=1)


def main() -> None:
    args = flags.FLAGS
    report = convert(args.input, args.output_dir, args.num_shards, args.num_workers)
    print_report(report, args.output_dir)


if __name__ == "__main__":
    cli.run(main, define_flags)
