"""MIDI files on disk: which there are, what to say about one that cannot be read, and the libraries that read them."""

from __future__ import annotations

import contextlib
import io
import os
import pathlib
import warnings
from collections.abc import Iterator

SUFFIXES = (".mid", ".midi")


def find(path: str | os.PathLike[str]) -> list[pathlib.Path]:
    """Returns the MIDI file `path`, or every one in the folder `path` and below, sorted, without hidden files.

    Raises:
        ValueError: `path` does not exist, is no MIDI file, or is a folder without any.
    """
    path = pathlib.Path(path)
    endings = " or ".join(SUFFIXES)
    if path.is_dir():
        found = sorted(p for p in path.rglob("*") if _is_midi(p) and not is_hidden(p.name))
        if not found:
            raise ValueError(
                f"{path}: this folder has no MIDI files (names ending in {endings}), nor have its subfolders"
            )
        return found
    if not path.exists():
        raise ValueError(f"{path}: no such file or folder; a MIDI file or a folder of them is needed")
    if not _is_midi(path):
        raise ValueError(f"{path}: not a MIDI file; its name should end in {endings}")
    return [path]


def is_hidden(name: str) -> bool:
    """Whether a file or folder is left out: macOS puts a `._name.mid` that is no MIDI beside each file it archives."""
    return name.startswith(".") or name == "__MACOSX"


def printable(path: str | os.PathLike[str]) -> str:
    """Returns a path that can be written as UTF-8, even where the file system's is none."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


@contextlib.contextmanager
def reading(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turns whatever a MIDI parser raises inside the block into one ValueError that names `path`.

    Parsers raise EOFError, IndexError, KeyError, OSError and more for damaged files, often without a message.
    """
    try:
        yield
    except Exception as error:
        reason = getattr(error, "strerror", None) or str(error) or "the file ends too early"
        raise ValueError(f"{path}: cannot be read as MIDI ({reason.splitlines()[0]})") from error


@contextlib.contextmanager
def importing_libraries() -> Iterator[None]:
    """Imports of note-seq, pretty_midi and pyfluidsynth within print nothing.

    pydub, which note-seq imports and nothing here needs, warns that it finds no ffmpeg; pyfluidsynth, which pretty_midi
    imports, tells on stdout where it found its library if `CI` is set.
    """
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.filterwarnings("ignore", message="Couldn't find ffmpeg", category=RuntimeWarning)
        yield


def _is_midi(path: pathlib.Path) -> bool:
    return path.suffix.lower() in SUFFIXES and path.is_file()
