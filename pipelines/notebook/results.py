"""What a command has made, in a cell: a picture and a player for each piece, what it was made of above it."""

from __future__ import annotations

import base64
import html
import io
import pathlib
from collections.abc import Mapping

import soundfile
from IPython.display import HTML, display

from pipelines.files import midi_files
from pipelines.pages import entries, manifest, notes, pianoroll
from pipelines.pages.manifest import Output

MAX_WIDTH_REM = 60  # Of a picture; it is narrower where the cell is.
MP3_RATES_HZ = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
MPEG, WAV = "mpeg", "wav"  # Formats of players, as their media types end.


def show(folder: pathlib.Path, originals: bool = True) -> None:
    """Shows and plays what the newest command has written into a folder.

    Args:
        folder: As `commands.generate` returns it.
        originals: Whether what a piece was made of is shown above it.

    Raises:
        ValueError: there is no MIDI in it.
    """
    shown = None
    for output in read(folder):
        if originals and output.original and output.original != shown:
            shown = output.original
            show_file(folder / shown, "what went in", num_bars=output.num_bars)
        show_file(folder / output.midi, output.label, output.facts, output.num_bars)


def show_file(
    midi_path: pathlib.Path, label: str = "", facts: Mapping[str, str] | None = None, num_bars: int = 1
) -> None:
    """Shows a MIDI file with its picture, of at least so many bars, and plays the WAV beside it, if there is one."""
    display(HTML(as_html(midi_path, label or midi_path.stem, facts or {}, num_bars)))


def play(path: pathlib.Path, label: str) -> None:
    """Plays a recording; MIDI is shown, too.

    Raises:
        ValueError: it is neither.
    """
    if path.suffix.lower() in midi_files.SUFFIXES:
        show_file(path, label)
    else:
        display(HTML(_figure(label, {}, _player(*sound(path)))))


def read(folder: pathlib.Path) -> list[Output]:
    """Returns what the newest command has written, as the folder's manifest says, or else all its MIDI files.

    Raises:
        ValueError: there is neither.
    """
    commands, damage = manifest.read(folder)
    if damage:
        print(damage)
    found = commands[0].outputs if commands else []
    return list(found) or [Output(path.relative_to(folder).as_posix(), path.stem) for path in midi_files.find(folder)]


def as_html(midi_path: pathlib.Path, label: str, facts: Mapping[str, str], num_bars: int = 1) -> str:
    """Returns a picture and a player of a MIDI file as HTML that needs no other file."""
    try:
        png, found = picture(midi_path, num_bars)
    except ValueError as error:
        return _figure(label, facts, f"<p>{html.escape(str(error))}</p>")
    data = base64.b64encode(png).decode()
    image = f'<img style="width: 100%; max-width: {MAX_WIDTH_REM}rem" alt="" src="data:image/png;base64,{data}">'
    wav_path = midi_path.with_suffix(".wav")
    player = _player(*sound(wav_path)) if wav_path.is_file() else "no sound"
    return _figure(label, {**found, **facts}, f"{image}<br>{player}")


def picture(midi_path: pathlib.Path, num_bars: int = 1) -> tuple[bytes, dict[str, str]]:
    """Draws a MIDI file's picture beside it; returns the PNG, and what there is to say of the file.

    Raises:
        ValueError: the file cannot be read.
        OSError: the picture cannot be written.
    """
    score = notes.read(midi_path, num_bars)
    png_path = midi_path.with_suffix(".png")
    pianoroll.draw(score, png_path)
    return png_path.read_bytes(), entries.describe(score)


def sound(path: pathlib.Path) -> tuple[str, bytes]:
    """Returns the format and the bytes of a sound file for a player: MP3, or WAV where that cannot be.

    A notebook keeps what its cells show, and WAVs are ten times as large.

    Raises:
        ValueError: it is no sound file that can be read.
    """
    try:
        samples, rate_hz = soundfile.read(path, always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        raise ValueError(f"{path}: cannot be read as a sound ({error})") from error
    as_mp3 = "MP3" in soundfile.available_formats() and rate_hz in MP3_RATES_HZ and samples.shape[1] <= 2
    buffer = io.BytesIO()
    if as_mp3:
        soundfile.write(buffer, samples, rate_hz, format="MP3")
    else:
        soundfile.write(buffer, samples, rate_hz, format="WAV", subtype="PCM_16")
    return MPEG if as_mp3 else WAV, buffer.getvalue()


def _figure(label: str, facts: Mapping[str, str], body: str) -> str:
    said = "".join(f" · {html.escape(f'{name} {value}')}" for name, value in facts.items())
    caption = f"<figcaption><b>{html.escape(label)}</b>{said}</figcaption>"
    return f'<figure style="margin: 0 0 1.5rem">{caption}{body}</figure>'


def _player(kind: str, sound_bytes: bytes) -> str:
    data = base64.b64encode(sound_bytes).decode()
    return f'<audio controls src="data:audio/{kind};base64,{data}"></audio>'
