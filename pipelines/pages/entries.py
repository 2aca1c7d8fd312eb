"""What a page shows of a MIDI file: its picture, its sound and its facts, made from the files beside it."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
from collections.abc import Iterator, Mapping

from pipelines.files import workers
from pipelines.pages import miniature, notes, pianoroll, sounds
from pipelines.pages.notes import Score

SCORE_SUFFIX = ".musicxml"
MANY = 32  # Fewer are made sooner than processes have started, which takes a second.
_TIMEOUT_SECS = 600


@dataclasses.dataclass(frozen=True)
class Entry:
    """One MIDI on the page. What it has no file for is None, and so is `error` where all is well."""

    midi_path: pathlib.Path
    png_path: pathlib.Path | None = None
    wav_path: pathlib.Path | None = None
    script_path: pathlib.Path | None = None  # The WAV as a script.
    score_path: pathlib.Path | None = None
    facts: Mapping[str, str] = dataclasses.field(default_factory=dict)
    roll: pianoroll.Roll | None = None
    miniature: miniature.Miniature | None = None
    error: str | None = None


def make(midi_path: pathlib.Path, folder: pathlib.Path, background: str = pianoroll.LIGHT, min_bars: int = 1) -> Entry:
    """Draws a MIDI's picture beside it, writes its sound as a script below `sounds`, and collects its facts.

    Args:
        midi_path: A file in `folder` or below. Its WAV and its score are looked for beside it.
        folder: The page's.
        background: Of the picture: a name in `pianoroll.BACKGROUNDS`.
        min_bars: It has as many or more, as its last ones may be silent.

    Raises:
        OSError: a file cannot be written.
    """
    try:
        score = notes.read(midi_path, min_bars)
    except ValueError as error:
        return Entry(midi_path, error=str(error))
    png_path, wav_path, score_path = (midi_path.with_suffix(suffix) for suffix in (".png", ".wav", SCORE_SUFFIX))
    sound = sounds.read(wav_path)
    script_path = folder / sounds.FOLDER_NAME / wav_path.relative_to(folder).with_suffix(".js")
    if sound:
        sounds.write_script(script_path, sound)
    return Entry(
        midi_path,
        png_path,
        wav_path if sound else None,
        script_path if sound else None,
        score_path if score_path.is_file() else None,
        describe(score) | (sounds.describe(sound) if sound else {}),
        pianoroll.draw(score, png_path, background=background),
        miniature.make(score),
    )


def make_all(
    files: Mapping[pathlib.Path, int],
    folder: pathlib.Path,
    background: str = pianoroll.LIGHT,
    num_workers: int | None = None,
) -> Iterator[Entry]:
    """Yields each MIDI's entry, as `make` does; many of them are made on all cores, or in so many processes.

    Args:
        files: The least number of bars of each.
        folder: The page's.
        background: Of the pictures.
        num_workers: None is one process a core, and this one alone for a few files.

    Raises:
        OSError: a file cannot be written.
    """
    if len(files) < MANY and num_workers is None:
        for path, min_bars in files.items():
            yield make(path, folder, background, min_bars)
        return
    function = functools.partial(_make_or_fail, folder=folder, background=background)
    with workers.Pool(num_workers, _TIMEOUT_SECS, preload=(__name__,)) as pool:
        for outcome in pool.run(function, files.items(), chunk_size=4):
            if isinstance(outcome.result, OSError):
                raise outcome.result
            path, _ = outcome.item
            yield outcome.result or Entry(path, error=f"{path}: {outcome.failed}")


def describe(score: Score) -> dict[str, str]:
    """Returns the facts of a score: bars, tempo, hits, and hits a bar."""
    slowest, fastest = round(min(score.qpms)), round(max(score.qpms))
    noun = "hits" if all(note.is_drum for note in score.notes) else "notes"
    return {
        "bars": str(score.num_bars),
        "tempo": f"{slowest} qpm" if slowest == fastest else f"{slowest} to {fastest} qpm",
        noun: str(len(score.notes)),
        f"{noun} a bar": f"{len(score.notes) / score.num_bars:.1f}",
    }


def _make_or_fail(file: tuple[pathlib.Path, int], folder: pathlib.Path, background: str) -> Entry | OSError:
    midi_path, min_bars = file
    try:
        return make(midi_path, folder, background, min_bars)
    except OSError as error:
        return error
