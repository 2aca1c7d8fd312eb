"""A shelf of loaded soundfonts, from one synthesizer to the next: loading one takes as long as two seconds of sound."""

from __future__ import annotations

import ctypes
import os
import pathlib
import threading
from collections.abc import Callable
from typing import Any

from pipelines.audio import libfluidsynth, soundfont

_POINTER = ctypes.c_void_p


class Shelf:
    """Soundfonts that synthesizers have done with, for the next ones; use it in a `with`, from any number of threads.

    A loaded soundfont plays in one synthesizer at a time, so that there are as many of them as play at once. Compressed
    ones do not lie here: FluidSynth goes on reading their files by way of the synthesizer that loaded them. Nor do any
    of libfluidsynth 1, with which nobody has tried it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lying: dict[str, list[int]] = {}  # Addresses of `fluid_sfont_t` by path.
        self._owner = libfluidsynth.library().Synth()  # Which they are handed to at the end, to be deleted.

    def __enter__(self) -> Shelf:
        return self

    def __exit__(self, *_: object) -> None:
        for font in (font for fonts in self._lying.values() for font in fonts):
            _add(self._owner, font)
        self._owner.delete()

    def load(self, synth: Any, path: str | os.PathLike[str]) -> int:
        """Loads a soundfont into a `fluidsynth.Synth`, from the shelf if it lies there; returns its number in it."""
        with self._lock:
            lying = self._lying.get(os.fspath(path))
            font = lying.pop() if lying else None
        return synth.sfload(os.fspath(path), 0) if font is None else _add(synth, font)

    def delete(self, synth: Any, path: str | os.PathLike[str], number: int) -> None:
        """Deletes a synthesizer, and keeps the soundfont of a number that it had loaded."""
        font = None
        if pathlib.Path(path).suffix.lower() != soundfont.COMPRESSED and libfluidsynth.version() >= (2,):
            font = _function("fluid_synth_get_sfont_by_id", _POINTER, ctypes.c_int)(synth.synth, number)
            _function("fluid_synth_remove_sfont", ctypes.c_int, _POINTER)(synth.synth, font)
        synth.delete()  # First, for what still sounded there counts the users of its samples.
        if font is not None:
            with self._lock:
                self._lying.setdefault(os.fspath(path), []).append(font)


def _add(synth: Any, font: int) -> int:
    return _function("fluid_synth_add_sfont", ctypes.c_int, _POINTER)(synth.synth, font)


def _function(name: str, returns: Any, argument: Any) -> Callable[[Any, Any], Any]:
    """Returns a function of a synthesizer and one other argument."""
    return libfluidsynth.function(name, returns, _POINTER, argument)
