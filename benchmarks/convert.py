"""The conversion beside Magenta's `convert_dir_to_note_sequences`: the same files, each as a whole command, in turn.

    python -m benchmarks.convert --input=groove-v1.0.0-midionly.zip --copies=1
    python -m benchmarks.convert --input=groove-v1.0.0-midionly.zip --copies=10
    python -m benchmarks.convert --input=groove-v1.0.0-midionly.zip --copies=20 --runs=1 --only_ours

Prints the median seconds of both, start-up included, their ratio, and the largest process; then compares what they
wrote: every NoteSequence of Magenta's must be there, equal but for what this project adds to it.
"""

from __future__ import annotations

import pathlib
import shutil
import statistics
import sys
import tempfile
import zipfile
from collections.abc import Sequence

from absl import flags

from benchmarks import command
from pipelines import cli
from pipelines.dataset.formats import tfrecords
from pipelines.dataset.inputs import sources

ADDED_FIELDS = ("id", "filename", "collection_name", "sequence_metadata", "text_annotations")


def measure(given: str, copies: int, runs: int, only_ours: bool, scratch: pathlib.Path) -> None:
    """Converts `copies` copies of a data set in both ways and prints what it took."""
    folder, num_files = make_copies(given, copies, scratch / "midi")
    magentas, output_dir = scratch / "magenta.tfrecord", scratch / "ours"
    module = "magenta.scripts.convert_dir_to_note_sequences"
    upstream = f"from {module} import console_entry_point as run; run()"
    ours = [sys.executable, "-m", "pipelines.convert", f"--input={folder}", f"--output_dir={output_dir}"]
    theirs = [sys.executable, "-c", upstream, f"--input_dir={folder}", f"--output_file={magentas}"]
    commands = {"this project": ours}
    if not only_ours:
        commands["Magenta"] = [*theirs, "--recursive", "--log=ERROR"]
    outcomes = {name: [] for name in commands}
    for _ in range(runs):
        for name, arguments in commands.items():
            outcomes[name].append(command.run(name, arguments, scratch / "output.txt"))
    medians_secs = [_report(name, found, num_files) for name, found in outcomes.items()]
    if not only_ours:
        print(f"ratio         {medians_secs[1] / medians_secs[0]:>8.2f}")
        compare(magentas, output_dir)


def _report(name: str, outcomes: Sequence[command.Outcome], num_files: int) -> float:
    """Prints what a command took, and returns its median seconds."""
    median_secs = statistics.median(outcome.secs for outcome in outcomes)
    peak_bytes = max(outcome.peak_bytes for outcome in outcomes)
    print(
        f"{name:<14}{median_secs:>8.2f} s for {num_files} files ({num_files / median_secs:.0f} a second),"
        f" largest process {peak_bytes / 2**20:.0f} MiB"
        f"   runs: {' '.join(f'{outcome.secs:.2f}' for outcome in outcomes)}"
    )
    return median_secs


def make_copies(given: str, copies: int, folder: pathlib.Path) -> tuple[pathlib.Path, int]:
    """Unpacks a data set so many times. Returns the folder and its number of MIDI files."""
    source = sources.STARTER_DIR if given == sources.STARTER else pathlib.Path(given).expanduser()
    for copy in range(copies):
        target = folder / f"copy{copy}"
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            with zipfile.ZipFile(source) as archive:
                archive.extractall(target)
    suffixes = (".mid", ".midi")
    return folder, sum(path.suffix.lower() in suffixes for path in folder.rglob("*"))


def compare(magentas: pathlib.Path, output_dir: pathlib.Path) -> None:
    """Prints how many NoteSequences of both are equal. Raises ValueError if one of ours is not Magenta's."""
    by_name = {name: sequence for path in output_dir.glob("*.tfrecord") for name, sequence in _sequences(path)}
    equal, others = 0, 0
    for name, sequence in _sequences(magentas):
        if name not in by_name:
            others += 1
        elif by_name[name] != sequence:
            raise ValueError(f"{name}: not the NoteSequence that note-seq makes of it")
        else:
            equal += 1
    print(f"NoteSequences {equal} equal to Magenta's, {others} only in Magenta's: skipped here, see report.json")


def _sequences(path: pathlib.Path):
    """Yields the NoteSequences of a TFRecord by file name, without what this project adds to them."""
    from pipelines.dataset.formats.midi import note_seq  # Imported there without its warnings.

    for record in tfrecords.read(path):
        sequence = note_seq.NoteSequence.FromString(record)
        name = sequence.filename
        for field in ADDED_FIELDS:
            sequence.ClearField(field)
        yield name, sequence


def define_flags() -> None:
    flags.DEFINE_string("input", sources.STARTER, "A folder or zip of MIDI files, or starter.")
    flags.DEFINE_integer("copies", 1, "Convert so many copies of it.", lower_bound=1)
    flags.DEFINE_integer("runs", 5, "Of each, in turn; medians count.", lower_bound=1)
    flags.DEFINE_bool("only_ours", False, "Leave Magenta's out, for sizes where it takes long.")


def main() -> None:
    args = flags.FLAGS
    with tempfile.TemporaryDirectory() as scratch:
        measure(args.input, args.copies, args.runs, args.only_ours, pathlib.Path(scratch))


if __name__ == "__main__":
    cli.run(main, define_flags)
