"""What tests of the conversion share: running the command, and reading what it wrote."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import note_seq

from pipelines.dataset.formats import tfrecords
from pipelines.dataset.inputs import sequence_files

ROOT = pathlib.Path(__file__).resolve().parents[1]


SPLITS = ("train", "validation", "test")


def contents(folder: pathlib.Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def sequences(*paths: pathlib.Path) -> list[note_seq.NoteSequence]:
    return [sequence_files.parse(record) for path in paths for record in tfrecords.read(path)]


def errors(ended: subprocess.CompletedProcess) -> list[str]:
    """Returns what is on stderr, without the progress that a slow machine shows."""
    return [line for line in ended.stderr.splitlines() if not line.startswith("files: ")]


def run(*arguments: str | pathlib.Path, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "pipelines.convert", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, **options)
