"""One HTML page that shows and plays the MIDI files of a folder, and says what made them.

The page needs nothing but the files beside it: it opens from the disk, without a server and without internet.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import pathlib
import shlex
import urllib.parse
from collections.abc import Mapping, Sequence

from pipelines.files import atomic, midi_files, progress
from pipelines.pages import entries, manifest, pianoroll, sounds, template
from pipelines.pages.entries import Entry
from pipelines.pages.manifest import Command, Output

PAGE_NAME = "index.html"
_OTHERS = "Other files"
_MAX_COLUMNS_BESIDE = 7  # A grid of more has no room beside a picture.
# Flags that only some modes have a use for, and those that the page says in other words; a manifest has all of them.
_MODES_OF_FLAGS = {
    **{"amount": ("vary",), "grid size": ("grid",), "by": ("attribute",), "strength": ("transfer",)},
    **{"keep hits": ("humanize",), "timing": ("humanize", "transfer", "knn")},
    **dict.fromkeys(("mode", "max batch size", "input", "groove", "input midi 1", "input midi 2"), ()),
}


@dataclasses.dataclass(frozen=True)
class Sample:
    """A result on the page and, where there is one, the original that it was made of."""

    entry: Entry
    label: str
    original: Entry | None = None
    facts: Mapping[str, str] = dataclasses.field(default_factory=dict)
    cell: tuple[int, int] | None = None  # Row and column in a grid.
    remarks: Sequence[str] = ()  # Sentences on its files.


@dataclasses.dataclass(frozen=True)
class Section:
    """What one command wrote; or, without a command, what none is known of."""

    title: str
    samples: Sequence[Sample]
    command: Command | None = None
    num_missing: int = 0  # Outputs that are not there any more.


def write_page(folder: pathlib.Path, title: str, background: str = pianoroll.LIGHT) -> list[Entry]:
    """Draws `<stem>.png` beside each MIDI in a folder or below, and writes `index.html` into the folder.

    The page's links are relative; WAVs and scores are looked for beside their MIDI, and each WAV gets a script in
    `sounds`, for loops. The same files give the same page, byte for byte. A MIDI that cannot be read is named on the
    page, and its entry has an `error`.

    Args:
        folder: With the MIDI files and, where `pipelines.generate` wrote them, `manifest.json`.
        title: The page's heading.
        background: Of the pictures: a name in `pianoroll.BACKGROUNDS`.

    Raises:
        ValueError: there is no MIDI.
        OSError: a picture, a script or the page cannot be written.
    """
    commands, damage = manifest.read(folder)
    num_bars = _num_bars(commands)
    files = {path: num_bars.get(_name(path, folder), 1) for path in midi_files.find(folder)}
    made = list(progress.track(entries.make_all(files, folder, background), len(files), "pictures"))
    sections = arrange({_name(entry.midi_path, folder): entry for entry in made}, commands)
    atomic.write_text(folder / PAGE_NAME, page_html(sections, folder, title, background, damage))
    sounds.tidy(folder / sounds.FOLDER_NAME, {entry.script_path for entry in made})
    return made


def arrange(made: Mapping[str, Entry], commands: Sequence[Command]) -> list[Section]:
    """Returns the page's sections: a command each, the newest first, and what none of them names.

    Args:
        made: Each MIDI's entry by its path in the folder.
        commands: As `manifest.read` gives them. A file that two of them name belongs to the first, which wrote it last.
    """
    left = dict(made)
    sections = []
    for command in commands:
        samples = [
            _sample(left.pop(output.midi), output, made.get(output.original or ""))
            for output in command.outputs
            if output.midi in left
        ]
        num_missing = len({output.midi for output in command.outputs} - made.keys())
        if samples or num_missing:
            sections.append(Section(command.mode or "unknown mode", samples, command, num_missing))
    if commands:
        left = {name: entry for name, entry in left.items() if name.split("/")[0] != manifest.ORIGINALS_NAME}
    if left:
        samples = [Sample(entry, name.removesuffix(entry.midi_path.suffix)) for name, entry in left.items()]
        sections.append(Section(_OTHERS if sections else "", samples))
    return sections


def page_html(sections: Sequence[Section], folder: pathlib.Path, title: str, background: str, damage: str = "") -> str:
    """Returns the whole page; every text is escaped and every link percent-encoded.

    Args:
        sections: In their order on the page.
        folder: The page's.
        title: Its heading.
        background: Of its pictures.
        damage: What is wrong with the folder's manifest.
    """
    on_page = [sample.entry for section in sections for sample in section.samples]
    shown = [_shown_section(section, folder, f"s{number}") for number, section in enumerate(sections, start=1)]
    return template.render(
        "listening.html",
        title=midi_files.printable(title),
        background=background,
        damage=damage,
        num_samples=len(on_page),
        num_silent=sum(not entry.wav_path and not entry.error for entry in on_page),
        num_playing=sum(bool(sample["players"]) for section in shown for sample in section["samples"]),
        has_grid=any(section["grid"] for section in shown),
        commands=[
            f"python -m pipelines.{stage} --input={shlex.quote(midi_files.printable(folder))}"
            for stage in ("render", "report")
        ],
        sections=shown,
    )


def _num_bars(commands: Sequence[Command]) -> dict[str, int]:
    """Returns how many bars outputs and their originals have at least, by path: the last ones may be silent."""
    return {
        name: output.num_bars
        for command in reversed(commands)  # The newest has the last word.
        for output in command.outputs
        for name in (output.midi, output.original)
        if name
    }


def _sample(entry: Entry, output: Output, original: Entry | None) -> Sample:
    remarks = []
    if output.sha256 and hashlib.sha256(entry.midi_path.read_bytes()).hexdigest() != output.sha256:
        remarks.append("This file has been changed since it was written.")
    if output.original and original is None:
        remarks.append(f"The original, {midi_files.printable(output.original)}, is not there.")
    return Sample(entry, output.label or entry.midi_path.stem, original, output.facts, output.cell, remarks)


def _shown_section(section: Section, folder: pathlib.Path, prefix: str) -> dict:
    """Returns what the template shows of a section whose samples' ids begin with `prefix`."""
    samples = [_shown(sample, folder, f"{prefix}-{number}") for number, sample in enumerate(section.samples, start=1)]
    cells = {sample.cell: shown for sample, shown in zip(section.samples, samples, strict=True) if sample.cell}
    command = section.command
    grid = _grid(cells, command.inputs) if cells else None
    return {
        "title": section.title,
        "when": command.created.replace("T", " ") if command else "",
        "made": _made(command, bool(grid)) if command else {},
        "details": _details(command) if command else {},
        "num_missing": section.num_missing,
        "samples": samples,
        "grid": grid,
        "is_beside": bool(grid) and len(grid["rows"][0]) <= _MAX_COLUMNS_BESIDE,
    }


def _made(command: Command, has_grid: bool) -> dict[str, str]:
    """Returns what one wants to know first of a command; a grid has its sources at its corners."""
    facts = {key: command.facts[key] for key in ("config", "temperature", "seed") if key in command.facts}
    sources = "" if has_grid else ", ".join(pathlib.PurePath(path).name for path in command.inputs)
    asked = {
        key: text for key, text in command.flags.items() if command.mode in _MODES_OF_FLAGS.get(key, (command.mode,))
    }
    if asked.get("keep other tracks") == "no":
        del asked["keep other tracks"]
    return facts | asked | ({"from": sources} if sources else {})


def _details(command: Command) -> dict[str, str]:
    """Returns what makes a command's outputs again: checkpoints by their hashes, inputs by their paths, versions."""
    checkpoint = {key: text for key, text in command.facts.items() if key.startswith("checkpoint")}
    models = {f"{name}: {key}": text for name, facts in command.models.items() for key, text in facts.items()}
    inputs = {f"input {number}": path for number, path in enumerate(command.inputs, start=1)}
    named = {key.replace("_", " "): text for key, text in (checkpoint | models).items()}
    return named | inputs | dict(command.versions)


def _grid(cells: Mapping[tuple[int, int], dict], inputs: Sequence[str]) -> dict:
    """Returns the rows of a grid's cells, None where there is none, and what its corners come from.

    The corners are named in reading order: top left, top right, bottom left, bottom right.
    """
    last_row, last_column = (max(at) for at in zip(*cells, strict=True))
    places = [(row, column) for row in (0, last_row) for column in (0, last_column)]
    sources = [pathlib.PurePath(path).stem for path in inputs]
    if len(sources) != len(places):
        sources = [cells[place]["label"] if place in cells else "" for place in places]
    return {
        "rows": [[cells.get((row, column)) for column in range(last_column + 1)] for row in range(last_row + 1)],
        "corners": sources,
    }


def _shown(sample: Sample, folder: pathlib.Path, sample_id: str) -> dict:
    """Returns what the template shows of a sample on a page in `folder`; of two sides the original is the first."""
    if sample.original:
        sides = [
            _shown_side("original", "A", sample.original, folder),
            _shown_side("result", "B", sample.entry, folder),
        ]
    else:
        sides = [_shown_side("result", "", sample.entry, folder)]
    label, name = (midi_files.printable(text) for text in (sample.label, _name(sample.entry.midi_path, folder)))
    return {
        "id": sample_id,
        "label": label,
        "name": "" if name.startswith(f"{label}.") else name,
        "sides": sides,
        "players": [
            (f"{label}, {side['kind']}" if side["letter"] else label, side) for side in sides if side["script"]
        ],
        "facts": {**sample.facts, **sample.entry.facts},
        "note": _note(sample.entry.facts),
        "remarks": sample.remarks,
        "miniature": sample.entry.miniature,
    }


def _note(facts: Mapping[str, str]) -> str:
    """Returns what is said of a sample while it is heard: its bars and its tempo."""
    if not facts:
        return ""
    return f"{facts['bars']} {'bar' if facts['bars'] == '1' else 'bars'}, {facts['tempo']}"


def _shown_side(kind: str, letter: str, entry: Entry, folder: pathlib.Path) -> dict:
    links = {"MIDI": entry.midi_path, "WAV": entry.wav_path, "Score": entry.score_path, "PNG": entry.png_path}
    return {
        "kind": kind,
        "letter": letter,
        "links": {name: _link(path, folder) for name, path in links.items() if path},
        "script": _link(entry.script_path, folder) if entry.script_path else None,
        "roll": entry.roll,
        "error": entry.error and midi_files.printable(entry.error.removeprefix(f"{entry.midi_path}: ")),
    }


def _link(path: pathlib.Path, folder: pathlib.Path) -> str:
    return urllib.parse.quote(os.fsencode(path.relative_to(folder).as_posix()))


def _name(path: pathlib.Path, folder: pathlib.Path) -> str:
    return path.relative_to(folder).as_posix()
