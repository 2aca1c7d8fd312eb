"""Which soundfont plays: the one that was named, else the first in the usual places, else pretty_midi's."""

from __future__ import annotations

import importlib.util
import os
import pathlib
import struct
from collections.abc import Iterator
from typing import BinaryIO

# A user's own folders come before the system's; there: Debian and Ubuntu, Fedora and Arch, Homebrew.
FOLDERS = (
    "~/.local/share/soundfonts",
    "~/.local/share/sounds/sf2",
    "~/Library/Audio/Sounds/Banks",
    "/usr/local/share/soundfonts",
    "/usr/local/share/sounds/sf2",
    "/usr/share/soundfonts",
    "/usr/share/sounds/sf2",
    "/usr/share/sounds/sf3",
    "/opt/homebrew/share/soundfonts",
)
# Complete General MIDI sets, the best first; anything else in a folder comes after these.
PREFERRED = (
    "FluidR3_GM.sf2",
    "FluidR3_GM2-2.sf2",
    "default-GM.sf2",
    "default.sf2",
    "default-GM.sf3",
    "default.sf3",
)
COMPRESSED = ".sf3"  # With Ogg Vorbis.
SUFFIXES = (".sf2", COMPRESSED)
DRUM_BANK = 128  # Where FluidSynth looks for the kits of MIDI channel 10.

_PRESET_BYTES = 38  # SoundFont 2.04, section 7.2: name 20, preset 2, bank 2, and 14 more.


def find(named: str | os.PathLike[str] | None = None, suffixes: tuple[str, ...] = SUFFIXES) -> pathlib.Path:
    """Returns the soundfont to play with.

    Args:
        named: The soundfont that was asked for. None searches `FOLDERS`, then pretty_midi's package.
        suffixes: Kinds to search for; libfluidsynth 1 does not read .sf3.

    Raises:
        ValueError: `named` is missing or no soundfont.
        OSError: nothing was named and nothing was found.
    """
    if named is not None:
        return _check_named(pathlib.Path(named).expanduser())
    for path in candidates(suffixes):
        if has_drums(path):
            return path
    raise OSError(
        "no soundfont found; Debian and Ubuntu: sudo apt-get install fluid-soundfont-gm\n"
        "  or name one: --soundfont=FILE.sf2"
    )


def candidates(suffixes: tuple[str, ...] = SUFFIXES) -> Iterator[pathlib.Path]:
    """Yields the soundfonts of the usual places, then pretty_midi's own, in the order they are tried."""
    spec = importlib.util.find_spec("pretty_midi")  # Its folder, without the time its import takes.
    for folder in (*FOLDERS, *((spec and spec.submodule_search_locations) or ())):
        try:
            found = [path for path in pathlib.Path(folder).expanduser().iterdir() if path.suffix.lower() in suffixes]
        except OSError:  # Missing or not ours to read: not a place to find one.
            continue
        yield from sorted(found, key=_rank)


def has_drums(path: pathlib.Path) -> bool:
    """Says whether `path` is a soundfont with a drum kit; a piano alone would play no drums."""
    try:
        with path.open("rb") as file:
            return _begins_soundfont(file) and DRUM_BANK in _banks(file)
    except (OSError, struct.error):
        return False


def _rank(path: pathlib.Path) -> tuple[int, str, str]:
    place = PREFERRED.index(path.name) if path.name in PREFERRED else len(PREFERRED)
    return place, path.suffix.lower(), path.name


def _check_named(path: pathlib.Path) -> pathlib.Path:
    if not path.exists():
        raise ValueError(f"--soundfont={path}: no such file; name an .sf2 file, or leave it out to have one found")
    if path.is_dir():
        raise ValueError(f"--soundfont={path}: this is a folder; name one .sf2 file in it")
    with path.open("rb") as file:
        if not _begins_soundfont(file):
            raise ValueError(f"--soundfont={path}: not a soundfont (an .sf2 file begins with RIFF....sfbk)")
    return path


def _begins_soundfont(file: BinaryIO) -> bool:
    head = file.read(12)
    return head[:4] == b"RIFF" and head[8:] == b"sfbk"


def _banks(file: BinaryIO) -> set[int]:
    """Returns the banks of a soundfont's presets, the `phdr` chunk; empty without one."""
    while chunk := file.read(8):
        name, size = struct.unpack("<4sI", chunk)
        if name == b"LIST":
            if file.read(4) != b"pdta":
                file.seek(size - 4 + size % 2, os.SEEK_CUR)
        elif name == b"phdr":
            presets = file.read(size)[:-_PRESET_BYTES]  # The last one only marks the end.
            return {bank for (bank,) in struct.iter_unpack("<22xH14x", presets)}
        else:
            file.seek(size + size % 2, os.SEEK_CUR)
    return set()
