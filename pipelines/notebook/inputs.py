"""What goes in: a file that somebody uploads, taps that somebody records, and an example where nobody does."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence

from IPython.display import display

from pipelines.files import atomic
from pipelines.notebook import colab, commands, tabs

EXAMPLE, FILE, MICROPHONE = "example", "file", "microphone"
MIDI_SUFFIXES = (".mid", ".midi")
SOUND_SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")
EXAMPLE_TAPS, EXAMPLE_QPM = "snare X--x--x-X-x-x---", 96.0


class Input:
    """What a cell has asked for. Elsewhere than on Colab, the file comes only after that cell has ended."""

    def __init__(self, folder: pathlib.Path) -> None:
        """Has nothing yet; what comes goes into `folder`."""
        self._folder = folder
        self._paths: list[pathlib.Path] = []
        self._widget = None

    def ask_for_file(self, suffixes: Sequence[str]) -> None:
        """Shows a button for an upload: Colab's own, which waits, or else ipywidgets'."""
        if colab.is_here():
            self._keep(colab.upload())
            return
        try:
            import ipywidgets
        except ModuleNotFoundError:
            print("no button for uploads: ipywidgets is not installed; %pip install ipywidgets, then run this again")
            return
        self._widget = ipywidgets.FileUpload(accept=",".join(suffixes), multiple=False)
        display(self._widget)
        print("choose a file, then run the next cell")

    def ask_for_recording(self, secs: float) -> None:
        """Records the browser's microphone on Colab; asks for a file elsewhere."""
        if not colab.is_here():
            print("recording in the browser works on Colab alone; record with a phone or a computer and give the file")
            self.ask_for_file(SOUND_SUFFIXES)
            return
        path = self._folder / "recording.wav"
        reason = colab.record(path, secs)
        if reason:
            print(reason)
        else:
            self._paths = [path]

    def path(self, instead: pathlib.Path) -> pathlib.Path:
        """Returns the file that was given, the last one of several, and says which; where there is none, `instead`."""
        if self._widget is not None:
            self._keep(_uploaded(self._widget.value))
        if not self._paths:
            print(f"nothing was given, so this is the example {instead}")
            return instead
        print(f"this is {self._paths[-1]}")
        return self._paths[-1]

    def _keep(self, uploaded: Mapping[str, bytes]) -> None:
        """Writes files into the folder; one of the same name is replaced."""
        self._paths = [self._folder / pathlib.PurePath(name).name for name in uploaded]  # No folders of a browser's.
        for path, content in zip(self._paths, uploaded.values(), strict=True):
            with atomic.replacing(path) as partial:
                partial.write_bytes(content)


def midi_file(source: str, folder: pathlib.Path) -> Input:
    """Asks for a MIDI file.

    Args:
        source: "file" shows a button, "example" asks for nothing.
        folder: Where an upload goes.

    Raises:
        ValueError: `source` is neither.
    """
    asked = Input(folder)
    _check(source, (EXAMPLE, FILE))
    if source == FILE:
        asked.ask_for_file(MIDI_SUFFIXES)
    return asked


def taps(source: str, secs: float, folder: pathlib.Path) -> Input:
    """Asks for a recording of taps.

    Args:
        source: "microphone" records, "file" shows a button, "example" asks for nothing.
        secs: How long is recorded.
        folder: Where it goes.

    Raises:
        ValueError: `source` is none of these, or `secs` out of range.
    """
    asked = Input(folder)
    _check(source, (EXAMPLE, FILE, MICROPHONE))
    if source == FILE:
        asked.ask_for_file((*SOUND_SUFFIXES, *MIDI_SUFFIXES))
    elif source == MICROPHONE:
        asked.ask_for_recording(secs)
    return asked


def example_taps(folder: pathlib.Path) -> pathlib.Path:
    """Returns a recording of taps that nobody has tapped: a rhythm on a snare, played by FluidSynth.

    Without a FluidSynth it is the rhythm's MIDI, which is made a kit as well.
    """
    midi_path = tabs.write("taps", EXAMPLE_TAPS, EXAMPLE_QPM, 4, folder)
    commands.render(midi_path)
    wav_path = midi_path.with_suffix(".wav")
    return wav_path if wav_path.is_file() else midi_path


def _check(source: str, known: Sequence[str]) -> None:
    if source not in known:
        raise ValueError(f"{source!r}: where it comes from is one of {', '.join(known)}")


def _uploaded(value: Mapping | Sequence) -> dict[str, bytes]:
    """Returns the files of an ipywidgets.FileUpload: version 8 has a sequence of them, version 7 a dict by name."""
    files = value.items() if isinstance(value, Mapping) else [(file["name"], file) for file in value]
    return {name: bytes(file["content"]) for name, file in files}
