"""A folder of beats humanized: how many a second, and what the time is spent on. Magenta has no command for it."""

from __future__ import annotations

import json
import pathlib
import shutil
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence

from benchmarks import command, comparison, generation
from pipelines.files import midi_files

BEATS_FROM = "hier-drums"  # The trained model whose samples are flat beats: on the grid, every hit equally loud.


def make_beats(num_files: int, seed: int, scratch: pathlib.Path) -> pathlib.Path:
    """Returns a folder of new flat beats, four bars each."""
    folder = scratch / "beats"
    flags = (f"--pretrained={BEATS_FROM}", "--latents=prior", "--humanize_with=none", f"--seed={seed}")
    program = [sys.executable, *generation.OURS.program, *flags, f"--num_outputs={num_files}"]
    command.run("making beats", [*program, f"--output_dir={folder}"], scratch / "output.txt")
    return folder


def measure(folder: pathlib.Path, pretrained: str, num_runs: int) -> Iterator[str]:
    """Humanizes all files of a folder in turn as MIDI alone and with sound and page; yields what is to be told.

    Args:
        folder: MIDI files, all of which can be humanized.
        pretrained: The trained model of the clone that plays.
        num_runs: Of each.

    Raises:
        ValueError: a command failed, or wrote less than it was asked for.
    """
    num_files = len(midi_files.find(folder))
    arguments = ["--mode=humanize", f"--pretrained={pretrained}", f"--input={folder}", "--num_outputs=1", "--seed=1"]
    outcomes = {way: [] for way in (generation.OURS, generation.OURS_WITH_SOUND)}
    for _ in range(num_runs):
        for way, found in outcomes.items():
            found.append(way.run(num_files, arguments))
    yield f"{num_files} files humanized by {pretrained}, median (least to most) of {num_runs} runs"
    for way, found in outcomes.items():
        yield summary(way.name, [outcome.secs for outcome in found], num_files)
    peak_bytes = max(outcome.peak_bytes for outcome in outcomes[generation.OURS])
    yield f"largest process of {generation.OURS.name}: {peak_bytes / generation.MIB:.0f} MiB"


def summary(name: str, secs: Sequence[float], num_files: int) -> str:
    """Returns a line of a command's seconds."""
    return f"{name:<21}{comparison.spread(secs, '.2f')} s, {num_files / statistics.median(secs):.1f} files a second"


def measure_parts(folder: pathlib.Path, pretrained: str, scratch: pathlib.Path) -> dict[str, float]:
    """Returns what each part takes once, in seconds: of humanizing as MIDI, and of the stages that follow.

    These render and draw what the beats were before, too.
    """
    output_dir, log_path, parts_path = scratch / "parts", scratch / "output.txt", scratch / "parts.json"
    arguments = ["--mode=humanize", f"--pretrained={pretrained}", f"--input={folder}", "--seed=1"]
    own = [f"--output_dir={output_dir}", f"--parts={parts_path}", f"--started_secs={time.monotonic()}"]
    command.run("parts", [sys.executable, "-m", "benchmarks.our_generate", *arguments, *own], log_path)
    secs = json.loads(parts_path.read_text(encoding="utf-8"))
    for part, stage in (("rendering", "pipelines.render"), ("pictures and page", "pipelines.report")):
        program = [sys.executable, "-m", stage, f"--input={output_dir}"]
        secs[part] = command.run(part, program, log_path).secs
    shutil.rmtree(output_dir)
    return secs


def table_of_parts(secs: Mapping[str, float]) -> list[str]:
    """Returns a line for each part, with its share of all of them."""
    total = sum(secs.values())
    return [f"{part:<21}{value:>8.2f} s {value / total:>6.1%}" for part, value in secs.items()]
