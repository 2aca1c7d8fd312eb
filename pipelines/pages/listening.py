"""One HTML page that shows and plays MIDI files, with a picture of each.

The page needs nothing but the files beside it: it opens from the disk, without a server and without internet.
"""

from __future__ import annotations

import dataclasses
import math
import os
import pathlib
import shlex
import urllib.parse
import wave
from collections.abc import Iterable, Mapping

import numpy as np

from pipelines.files import atomic, midi_files, progress
from pipelines.pages import pianoroll, template

PAGE_NAME = "index.html"
BAR_WIDTH_REM, MAX_WIDTH_REM = 11.5, 184.0  # In a narrower window the picture scrolls and does not shrink.


@dataclasses.dataclass(frozen=True)
class Roll:
    """Where time is in a picture: from `left` to `right`, fractions of its width, run `secs` evenly."""

    left: float
    right: float
    secs: float
    num_bars: int


@dataclasses.dataclass(frozen=True)
class Entry:
    """One MIDI on the page. `wav_path` is None without a WAV beside it, `error` None where all is well."""

    midi_path: pathlib.Path
    png_path: pathlib.Path | None = None
    wav_path: pathlib.Path | None = None
    facts: Mapping[str, str] = dataclasses.field(default_factory=dict)
    roll: Roll | None = None
    error: str | None = None


@dataclasses.dataclass(frozen=True)
class Page:
    path: pathlib.Path
    entries: tuple[Entry, ...]


def write_page(
    midi_paths: Iterable[str | os.PathLike[str]] | str | os.PathLike[str],
    output_dir: str | os.PathLike[str],
    *,
    title: str = "Drums",
    facts: Mapping[str, str] | None = None,
) -> Page:
    """Draws `<stem>.png` beside each MIDI and writes `index.html` into `output_dir`.

    The page's links are relative; WAVs are looked for beside their MIDI. The same files give the same page,
    byte for byte. A MIDI that cannot be read is named on the page, and its entry has an `error`.

    Args:
        midi_paths: MIDI files in the order of the page, or a folder with some in it or below.
        output_dir: Where the page goes.
        title: The page's heading.
        facts: What made these files, such as config, checkpoint and seed; shown under the heading.

    Raises:
        ValueError: there is no MIDI.
        OSError: a picture or the page cannot be written.
    """
    output_dir = pathlib.Path(output_dir)
    if isinstance(midi_paths, (str, os.PathLike)):
        midi_paths = midi_files.find(midi_paths)
    paths = [pathlib.Path(path) for path in midi_paths]
    if not paths:
        raise ValueError("a page needs at least one MIDI file, and none was given")
    entries = tuple(make_entry(path) for path in progress.track(paths, len(paths), "pictures"))
    page = Page(output_dir / PAGE_NAME, entries)
    atomic.write_text(page.path, page_html(page, title, facts or {}))
    return page


def make_entry(midi_path: str | os.PathLike[str]) -> Entry:
    """Draws one MIDI's picture beside it and collects what there is to say about it.

    Raises:
        OSError: the picture cannot be written.
    """
    midi_path = pathlib.Path(midi_path)
    try:
        score = pianoroll.read(midi_path)
    except ValueError as error:
        return Entry(midi_path, error=str(error))
    png_path = midi_path.with_suffix(".png")
    left, right = pianoroll.draw(score, png_path)
    wav_path = midi_path.with_suffix(".wav")
    wav_facts = describe_wav(wav_path) if wav_path.is_file() else None
    return Entry(
        midi_path,
        png_path,
        wav_path if wav_facts else None,
        {**describe(score), **(wav_facts or {})},
        Roll(left, right, score.bar_secs[-1], score.num_bars),
    )


def describe(score: pianoroll.Score) -> dict[str, str]:
    """Returns the facts of a score: bars, tempo, hits, and hits a bar."""
    tempos = sorted({round(qpm) for qpm in score.qpms})
    noun = "hits" if all(note.is_drum for note in score.notes) else "notes"
    return {
        "bars": str(score.num_bars),
        "tempo": " to ".join(str(qpm) for qpm in dict.fromkeys((tempos[0], tempos[-1]))) + " qpm",
        noun: str(len(score.notes)),
        f"{noun} a bar": f"{len(score.notes) / score.num_bars:.1f}",
    }


def describe_wav(path: str | os.PathLike[str]) -> dict[str, str] | None:
    """Returns the length and peak of a 16-bit WAV, or None when it is none."""
    try:
        with wave.open(os.fspath(path), "rb") as wav:
            samples = np.frombuffer(wav.readframes(wav.getnframes()), "<i2")
            secs = wav.getnframes() / wav.getframerate()
    except (wave.Error, EOFError, ValueError):
        return None
    peak = np.abs(samples.astype(np.int32)).max(initial=0) / 32768
    level = f"{20 * math.log10(peak):.1f} dBFS" if peak else "silent"
    return {"sound": f"{secs:.1f} s", "peak": level}


def page_html(page: Page, title: str, facts: Mapping[str, str]) -> str:
    """Returns the whole page; every text is escaped and every link percent-encoded."""
    folder = page.path.parent
    stages = ("render", "report")
    return template.render(
        "listening.html",
        title=title,
        facts=facts,
        num_silent=sum(not entry.wav_path and not entry.error for entry in page.entries),
        commands=[f"python -m pipelines.{stage} --input={shlex.quote(str(folder))}" for stage in stages],
        entries=[_shown(entry, folder) for entry in page.entries],
    )


def _shown(entry: Entry, folder: pathlib.Path) -> dict:
    """Returns what the template shows of an entry on a page in `folder`."""
    paths = {"MIDI": entry.midi_path, "WAV": entry.wav_path, "PNG": entry.png_path}
    return {
        "name": _relative(entry.midi_path.with_suffix(""), folder),
        "links": {kind: urllib.parse.quote(_relative(path, folder)) for kind, path in paths.items() if path},
        "error": entry.error and entry.error.removeprefix(f"{entry.midi_path}: "),
        "roll": entry.roll,
        "width_rem": entry.roll and min(BAR_WIDTH_REM * entry.roll.num_bars, MAX_WIDTH_REM),
        "facts": entry.facts,
    }


def _relative(path: pathlib.Path, folder: pathlib.Path) -> str:
    return pathlib.Path(os.path.relpath(path, folder)).as_posix()
