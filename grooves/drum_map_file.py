"""A drum map of one's own: a text file that says of each pitch which of the nine drums it is.

# The kit that I play.
36: kick
38: snare
42: closed hi-hat   # case, hyphens and spaces may be as they like
44: none            # left out, as are all pitches that the file does not name; a hyphen says the same
"""

from __future__ import annotations

import codecs
import difflib
import os
import pathlib
import re
from collections.abc import Iterator

from grooves import drums

AUTO = "auto"
MAX_BYTES = 2**20  # A line for each of the 128 pitches takes 3 kB.
NONE_NAMES = ("none", "-")
_UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_FORM = "a drum map is a text file with a line such as 36: kick for each pitch"
_NOTE_NAME = re.compile(r"[A-Ga-g][#b♯♭]?-?[0-9]+")
_MAX_SHOWN = 60  # Characters of a line.


def choose(given: str) -> drums.DrumMap | None:
    """Returns the drum map that a flag names; None for "auto", which is what a performance's hits speak for.

    Args:
        given: "roland", "gm", "auto", or the path of a file.

    Raises:
        OSError: there is no such file, or it cannot be read.
        ValueError: it is no drum map; says where and why.
    """
    name = given.strip().lower()
    return None if name == AUTO else drums.MAP_BY_NAME.get(name) or read(given)


def read(path: str | os.PathLike[str]) -> drums.DrumMap:
    """Reads a drum map's file; the map is called as the file is.

    Raises:
        OSError: there is no such file, or it cannot be read.
        ValueError: it is no drum map; says where and why.
    """
    file = pathlib.Path(path).expanduser()
    if not str(path) or not file.exists():
        known = ", ".join((*drums.MAP_BY_NAME, AUTO))
        raise FileNotFoundError(f"--drum_map={path}: no such file, and none of {known}; {_FORM}")
    if file.is_dir():
        raise IsADirectoryError(f"--drum_map={path}: is a folder; {_FORM}")
    with file.open("rb") as opened:
        content = opened.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ValueError(f"{path}: larger than {MAX_BYTES >> 20} MiB; {_FORM}")
    name = os.fsencode(file.name).decode("utf-8", "backslashreplace")
    return drums.DrumMap.of(name, parse(_decode(content, str(path)), str(path)))


def parse(text: str, where: str) -> dict[int, int]:
    """Returns the class of each pitch that a drum map's text names, -1 for those to be left out.

    Args:
        text: Of the file.
        where: What to call the file.

    Raises:
        ValueError: a line is none of a drum map, a pitch is given twice with different drums, or there is no drum.
    """
    found: dict[int, tuple[int, int]] = {}  # Pitch -> class, line.
    for line, given, pitch_text, name in _lines(text):
        here = f"{where}, line {line}: {_shown(given)}"
        pitch = _pitch(pitch_text, here)
        number = _class(name, here)
        earlier_number, earlier_line = found.setdefault(pitch, (number, line))
        if earlier_number != number:
            raise ValueError(f"{here}: pitch {pitch} is {_name(earlier_number)} on line {earlier_line}; give it once")
    if not any(number >= 0 for number, _ in found.values()):
        raise ValueError(f"{where}: has no drum in it; {_FORM}")
    return {pitch: number for pitch, (number, _) in found.items()}


def _lines(text: str) -> Iterator[tuple[int, str, str, str | None]]:
    """Yields of each line with something in it: its number, itself, what is before the colon, and what is behind it."""
    for number, given in enumerate(re.split(r"\r\n?|\n", text), start=1):
        content = given.partition("#")[0].strip()
        if content:
            pitch, colon, name = content.partition(":")
            yield number, given.strip(), pitch.strip(), name.strip() if colon else None


def _decode(content: bytes, where: str) -> str:
    """Returns a text in UTF-8, or in UTF-16 with its mark, as Windows writes them."""
    try:
        text = content.decode("utf-16" if content.startswith(_UTF_16_MARKS) else "utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise ValueError(f"{where}: is no text in UTF-8; {_FORM}")
    return text


def _pitch(text: str, here: str) -> int:
    if re.fullmatch(r"[0-9]{1,3}", text) and int(text) < drums.NUM_PITCHES:
        return int(text)
    if _NOTE_NAME.fullmatch(text):
        raise ValueError(f"{here}: a pitch is a number, because {text} is another one in each program")
    if re.fullmatch(r"[+-]?[0-9.]+", text):
        raise ValueError(f"{here}: a pitch is a whole number from 0 to {drums.NUM_PITCHES - 1}")
    raise ValueError(f"{here}: is not written as pitch: drum, for instance 36: kick")


def _class(name: str | None, here: str) -> int:
    if not name:
        raise ValueError(f"{here}: has no drum behind the pitch; write it as 36: kick")
    if name.lower() in NONE_NAMES:
        return -1
    number = _CLASS_BY_KEY.get(_key(name))
    if number is None:
        listed = ", ".join(_nearest_first(name))
        raise ValueError(f"{here}: unknown drum; known, nearest first: {listed}; none leaves a pitch out")
    return number


def _key(name: str) -> str:
    """Returns what all spellings of a drum's name have in common."""
    return re.sub(r"[\s_-]+", "", name.lower())


_CLASS_BY_KEY = {_key(name): number for number, name in enumerate(drums.CLASS_NAMES)}
_CLASS_BY_KEY["hihat"] = drums.CLASS_NAMES.index("closed hi-hat")


def _nearest_first(name: str) -> list[str]:
    matcher = difflib.SequenceMatcher(b=_key(name)[:_MAX_SHOWN])

    def distance(known: str) -> float:
        matcher.set_seq1(_key(known))
        return -matcher.ratio()

    return sorted(drums.CLASS_NAMES, key=distance)


def _name(number: int) -> str:
    return drums.CLASS_NAMES[number] if number >= 0 else NONE_NAMES[0]


def _shown(line: str) -> str:
    """Returns a line as a message can show it, whatever is in it."""
    return repr(line if len(line) <= _MAX_SHOWN else line[: _MAX_SHOWN - 1] + "…")
