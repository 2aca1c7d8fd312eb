"""Generation as commands: stock Magenta's, this project's, and what each of them has to write."""

from __future__ import annotations

import dataclasses
import pathlib
import sys
import tempfile
import wave
from collections.abc import Callable, Mapping, Sequence

import mido

from benchmarks import command
from benchmarks.contenders import MAGENTA
from pipelines.files import midi_files
from pipelines.pages import listening

MIB = 2**20
PNG_START = b"\x89PNG\r\n\x1a\n"
WITH_SOUND = "with sound and page"


@dataclasses.dataclass(frozen=True)
class Way:
    """A way to generate: its name in tables, what Python runs, and whether that renders and draws, too."""

    name: str
    program: tuple[str, ...]
    renders: bool = False

    def run(self, num_files: int, arguments: Sequence[str]) -> command.Outcome:
        """Generates into a folder that is gone afterwards.

        Raises:
            ValueError: the command failed, or it did not write `num_files` files of each kind, all of them readable.
        """
        with tempfile.TemporaryDirectory() as scratch:
            folder = pathlib.Path(scratch) / "generated"
            given = [sys.executable, *self.program, *arguments, f"--output_dir={folder}"]
            outcome = command.run(self.name, given, pathlib.Path(scratch) / "output.txt")
            check(self.name, folder, num_files, self.renders)
        return outcome


STOCK = Way(MAGENTA, ("-m", "benchmarks.magenta_generate"))
OURS = Way("ours", ("-m", "pipelines.generate"))
OURS_WITH_SOUND = Way(WITH_SOUND, ("-m", "pipelines.workflow", "generate"), renders=True)
WAYS = (STOCK, OURS, OURS_WITH_SOUND)


def check(name: str, folder: pathlib.Path, num_files: int, renders: bool) -> None:
    """Reads what a command has written into a folder; folders in it do not count.

    Args:
        name: What errors call the command.
        folder: Where it wrote to.
        num_files: How many MIDI files there are to be.
        renders: Whether there are to be as many WAVs and pictures, and a page.

    Raises:
        ValueError: there are more or fewer, or one cannot be read.
    """
    kinds: Mapping[str, Callable[[pathlib.Path], None]] = {".mid": _read_midi}
    if renders:
        kinds = {**kinds, ".wav": _read_wav, ".png": _read_picture}
        if not (folder / listening.PAGE_NAME).is_file():
            raise ValueError(f"{name}: wrote no {listening.PAGE_NAME}")
    for suffix, read in kinds.items():
        paths = sorted(folder.glob(f"*{suffix}"))
        if len(paths) != num_files:
            raise ValueError(f"{name}: wrote {len(paths)} *{suffix}, not {num_files}")
        for path in paths:
            read(path)


def _read_midi(path: pathlib.Path) -> None:
    with midi_files.reading(path):
        mido.MidiFile(path)


def _read_wav(path: pathlib.Path) -> None:
    try:
        with wave.open(str(path), "rb") as wav:
            is_empty = not wav.readframes(wav.getnframes())
    except (wave.Error, EOFError) as error:
        raise ValueError(f"{path}: no WAV ({error})") from error
    if is_empty:
        raise ValueError(f"{path}: a WAV of no length")


def _read_picture(path: pathlib.Path) -> None:
    with path.open("rb") as file:
        if file.read(len(PNG_START)) != PNG_START:
            raise ValueError(f"{path}: no PNG")
