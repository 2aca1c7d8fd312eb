"""What a command has made, in a cell: a picture and a player for each piece, what it was made of above it."""

from __future__ import annotations

import base64
import dataclasses
import html
import io
import pathlib
from collections.abc import Mapping

from IPython.display import HTML, display

from pipelines.files import midi_files
from pipelines.generation import manifest
from pipelines.pages import pianoroll

MAX_WIDTH_REM = 60  # Of a picture; it is narrower where the cell is.
SOUNDS = {"mpeg": "MP3", "wav": "WAV"}  # What players take, by the second half of its media type.


@dataclasses.dataclass(frozen=True)
class Result:
    """One piece that a command has made.

    Attributes:
        label: What it is called.
        midi_path: Its MIDI; picture and sound are beside it.
        original: The MIDI that it was made of, where it has one.
        facts: What else there is to say, by name.
        place: Row and column, in a grid.
    """

    label: str
    midi_path: pathlib.Path
    original: pathlib.Path | None = None
    facts: Mapping[str, str] = dataclasses.field(default_factory=dict)
    place: tuple[int, int] | None = None


def show(folder: pathlib.Path, originals: bool = True) -> None:
    """Shows and plays what the newest command has written into a folder.

    Args:
        folder: As `commands.generate` returns it.
        originals: Whether what a piece was made of is shown above it.

    Raises:
        ValueError: there is no MIDI in it.
    """
    shown = None
    for result in read(folder):
        if originals and result.original and result.original != shown:
            shown = result.original
            show_file(result.original, "what went in")
        show_file(result.midi_path, result.label, result.facts)


def show_file(midi_path: pathlib.Path, label: str = "", facts: Mapping[str, str] | None = None) -> None:
    """Shows a MIDI file with its picture, and plays the WAV beside it, if there is one."""
    display(HTML(as_html(midi_path, label or midi_path.stem, facts or {})))


def play(path: pathlib.Path, label: str) -> None:
    """Plays a recording; MIDI is shown, too.

    Raises:
        ValueError: it is neither.
    """
    if path.suffix.lower() in midi_files.SUFFIXES:
        show_file(path, label)
    else:
        display(HTML(_figure(label, {}, _player(*sound(path)))))


def read(folder: pathlib.Path) -> list[Result]:
    """Returns what a folder's manifest names; without one, or where it is damaged, its MIDI files.

    Raises:
        ValueError: there is neither.
    """
    try:
        outputs = manifest.read(folder)["outputs"]
        found = [_result(folder, output) for output in outputs]
    except FileNotFoundError:
        found = []
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        print(f"{folder / manifest.NAME} is damaged ({error}); all MIDI files beside it are shown as they are")
        found = []
    return found or [Result(path.stem, path) for path in midi_files.find(folder) if path.parent == folder]


def as_html(midi_path: pathlib.Path, label: str, facts: Mapping[str, str]) -> str:
    """Returns a picture and a player of a MIDI file as HTML that needs no other file."""
    try:
        png = base64.b64encode(picture(midi_path)).decode()
    except ValueError as error:
        return _figure(label, facts, f"<p>{html.escape(str(error))}</p>")
    image = f'<img style="width: 100%; max-width: {MAX_WIDTH_REM}rem" alt="" src="data:image/png;base64,{png}">'
    wav_path = midi_path.with_suffix(".wav")
    player = _player(*sound(wav_path)) if wav_path.is_file() else "no sound"
    return _figure(label, facts, f"{image}<br>{player}")


def picture(midi_path: pathlib.Path) -> bytes:
    """Returns a MIDI file's picture, a PNG, and keeps it beside the file.

    Raises:
        ValueError: the file cannot be read.
        OSError: the picture cannot be written.
    """
    png_path = midi_path.with_suffix(".png")
    pianoroll.draw(pianoroll.read(midi_path), png_path)
    return png_path.read_bytes()


def sound(sound_path: pathlib.Path) -> tuple[bytes, str]:
    """Returns a sound file for a player: as MP3, a tenth of the bytes, else as WAV; and which, a key of `SOUNDS`.

    A notebook keeps what its cells show: WAVs would make it larger than Colab saves.

    Raises:
        ValueError: it is no sound file that can be read.
    """
    import soundfile

    try:
        samples, sample_rate_hz = soundfile.read(sound_path)
    except soundfile.LibsndfileError as error:
        raise ValueError(f"{sound_path}: cannot be read as a sound ({error.error_string})") from error
    kind = next(kind for kind, name in SOUNDS.items() if name in soundfile.available_formats())
    buffer = io.BytesIO()
    try:
        soundfile.write(buffer, samples, sample_rate_hz, format=SOUNDS[kind])
    except soundfile.LibsndfileError:  # MP3 has no such sample rate, or no such number of channels.
        kind, buffer = "wav", io.BytesIO()
        soundfile.write(buffer, samples, sample_rate_hz, format="WAV", subtype="PCM_16")
    return buffer.getvalue(), kind


def _result(folder: pathlib.Path, output: Mapping) -> Result:
    midi_path = folder / output["midi"]
    original = output.get("original")
    place = (output["row"], output["column"]) if {"row", "column"} <= output.keys() else None
    facts = {**({"tempo": f"{output['qpm']:g} qpm"} if "qpm" in output else {}), **(output.get("facts") or {})}
    label = output.get("label") or midi_path.stem
    return Result(label, midi_path, folder / original if original else None, facts, place)


def _figure(label: str, facts: Mapping[str, str], body: str) -> str:
    said = "".join(f" · {html.escape(f'{name} {value}')}" for name, value in facts.items())
    caption = f"<figcaption><b>{html.escape(label)}</b>{said}</figcaption>"
    return f'<figure style="margin: 0 0 1.5rem">{caption}{body}</figure>'


def _player(sound_bytes: bytes, kind: str) -> str:
    data = base64.b64encode(sound_bytes).decode()
    return f'<audio controls src="data:audio/{kind};base64,{data}"></audio>'
