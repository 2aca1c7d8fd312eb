"""One HTML page that shows and plays MIDI files, with a picture of each.

The page needs nothing but the files beside it: it opens from the disk, without a server and without internet.
"""

from __future__ import annotations

import dataclasses
import math
import pathlib
import shlex
import urllib.parse
import wave
from collections.abc import Mapping, Sequence

import numpy as np

from pipelines.files import atomic, midi_files, progress
from pipelines.pages import pianoroll, template

PAGE_NAME = "index.html"
BAR_WIDTH_REM, MAX_WIDTH_REM = 11.5, 184.0  # In a narrower window the picture scrolls and does not shrink.


@dataclasses.dataclass(frozen=True)
class Roll:
    """A picture on the page: from `left` to `right`, fractions of its width, run `secs` evenly."""

    left: float
    right: float
    secs: float
    width_rem: float


@dataclasses.dataclass(frozen=True)
class Entry:
    """One MIDI on the page. `wav_path` is None without a WAV beside it, `error` None where all is well."""

    midi_path: pathlib.Path
    png_path: pathlib.Path | None = None
    wav_path: pathlib.Path | None = None
    facts: Mapping[str, str] = dataclasses.field(default_factory=dict)
    roll: Roll | None = None
    error: str | None = None


def write_page(folder: pathlib.Path, title: str) -> list[Entry]:
    """Draws `<stem>.png` beside each MIDI in a folder or below, and writes `index.html` into the folder.

    The page's links are relative; WAVs are looked for beside their MIDI. The same files give the same page,
    byte for byte. A MIDI that cannot be read is named on the page, and its entry has an `error`.

    Raises:
        ValueError: there is no MIDI.
        OSError: a picture or the page cannot be written.
    """
    paths = midi_files.find(folder)
    entries = [make_entry(path) for path in progress.track(paths, len(paths), "pictures")]
    atomic.write_text(folder / PAGE_NAME, page_html(entries, folder, title))
    return entries


def make_entry(midi_path: pathlib.Path) -> Entry:
    """Draws one MIDI's picture beside it and collects what there is to say about it.

    Raises:
        OSError: the picture cannot be written.
    """
    try:
        score = pianoroll.read(midi_path)
    except ValueError as error:
        return Entry(midi_path, error=str(error))
    png_path = midi_path.with_suffix(".png")
    left, right = pianoroll.draw(score, png_path)
    roll = Roll(left, right, score.bar_secs[-1], min(BAR_WIDTH_REM * score.num_bars, MAX_WIDTH_REM))
    wav_path = midi_path.with_suffix(".wav")
    wav_facts = describe_wav(wav_path) if wav_path.is_file() else {}
    return Entry(midi_path, png_path, wav_path if wav_facts else None, describe(score) | wav_facts, roll)


def describe(score: pianoroll.Score) -> dict[str, str]:
    """Returns the facts of a score: bars, tempo, hits, and hits a bar."""
    slowest, fastest = round(min(score.qpms)), round(max(score.qpms))
    noun = "hits" if all(note.is_drum for note in score.notes) else "notes"
    return {
        "bars": str(score.num_bars),
        "tempo": f"{slowest} qpm" if slowest == fastest else f"{slowest} to {fastest} qpm",
        noun: str(len(score.notes)),
        f"{noun} a bar": f"{len(score.notes) / score.num_bars:.1f}",
    }


def describe_wav(path: pathlib.Path) -> dict[str, str]:
    """Returns the length and peak of a 16-bit WAV, nothing when it is none."""
    try:
        with wave.open(str(path), "rb") as wav:
            samples = np.frombuffer(wav.readframes(wav.getnframes()), "<i2")
            secs = wav.getnframes() / wav.getframerate()
    except (wave.Error, EOFError, ValueError):
        return {}
    peak = np.abs(samples.astype(np.int32)).max(initial=0) / 32768
    level = f"{20 * math.log10(peak):.1f} dBFS" if peak else "silent"
    return {"sound": f"{secs:.1f} s", "peak": level}


def page_html(entries: Sequence[Entry], folder: pathlib.Path, title: str) -> str:
    """Returns the whole page; every text is escaped and every link percent-encoded."""
    return template.render(
        "listening.html",
        title=title,
        num_silent=sum(not entry.wav_path and not entry.error for entry in entries),
        commands=[f"python -m pipelines.{stage} --input={shlex.quote(str(folder))}" for stage in ("render", "report")],
        entries=[_shown(entry, folder) for entry in entries],
    )


def _shown(entry: Entry, folder: pathlib.Path) -> dict:
    """Returns what the template shows of an entry on a page in `folder`."""
    paths = {"MIDI": entry.midi_path, "WAV": entry.wav_path, "PNG": entry.png_path}
    return {
        "name": entry.midi_path.relative_to(folder).with_suffix("").as_posix(),
        "links": {
            kind: urllib.parse.quote(path.relative_to(folder).as_posix()) for kind, path in paths.items() if path
        },
        "error": entry.error and entry.error.removeprefix(f"{entry.midi_path}: "),
        "roll": entry.roll,
        "facts": entry.facts,
    }
