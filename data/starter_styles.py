"""The beats of the starter data set, read from the drum tabs in `data/styles`.

A style is a text file: first what a drummer has to know, a line `name: value` each, then its tabs under `[time]` (the
hand or foot that keeps the time), `[groove]` (everything else) and `[fill]` (at most a bar; shorter ones take the bar's
end). A section of a performance takes one time and one groove. A tab has one line for each voice, one sign for each
step of a bar:

    .  rest    g  ghost note    o  soft    x  medium    X  accent
    ?  a ghost note on about every other time round    !  the same, medium

A line with several bars, separated by spaces, goes round them. A bar has 16 steps (sixteenths), or 12 (triplets) in
styles that say `steps_per_bar: 12`. A new style is one more file; `python -m data.make_starter` then plays it.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping

STYLES_DIR = pathlib.Path(__file__).with_name("styles")
_FIELD_BY_SECTION = {"[time]": "times", "[groove]": "grooves", "[fill]": "fills"}
_READERS = {
    "name": str,
    "tempos_qpm": lambda text: tuple(map(int, text.split())),
    "steps_per_bar": int,
    "swing": float,
    "late_ms": lambda text: {voice: float(ms) for voice, ms in (part.split("=") for part in text.split())},
    "crash": str,
    "loudness": float,
}


@dataclasses.dataclass(frozen=True)
class Style:
    """What a drummer has to know to play a style.

    Attributes:
        name: `primary` or `primary/secondary`, as in the Groove MIDI Dataset.
        tempos_qpm: One tempo for each performance, in quarters a minute.
        times: Tabs of what keeps the time.
        grooves: Tabs of everything else.
        fills: Tabs of at most a bar.
        steps_per_bar: 16 for sixteenths, 12 for triplets.
        swing: How late every second sixteenth (of triplets the last) is, in sixteenths.
        late_ms: How far behind the beat (or, negative, ahead of it) a voice sits in this style, in ms.
        crash: The voice that answers a fill on the next downbeat.
        loudness: Factor on every velocity.
    """

    name: str
    tempos_qpm: tuple[int, ...]
    times: tuple[str, ...]
    grooves: tuple[str, ...]
    fills: tuple[str, ...]
    steps_per_bar: int = 16
    swing: float = 0.0
    late_ms: Mapping[str, float] = dataclasses.field(default_factory=dict)
    crash: str = "crash"
    loudness: float = 1.0


def read(path: pathlib.Path) -> Style:
    """Reads the file of a style. A ValueError names it if a line of its head or a section is unknown."""
    head, *tabs = path.read_text(encoding="utf-8").strip().split("\n\n")
    try:
        values = {name: _READERS[name](text.strip()) for name, text in (line.split(":") for line in head.splitlines())}
        fields = {field: [] for field in _FIELD_BY_SECTION.values()}
        for section, tab in (block.strip().split("\n", 1) for block in tabs):
            fields[_FIELD_BY_SECTION[section]].append(tab)
        return Style(**values, **{field: tuple(found) for field, found in fields.items()})
    except (KeyError, ValueError, TypeError) as error:
        known = ", ".join([*_READERS, *_FIELD_BY_SECTION])
        raise ValueError(f"{path}: cannot be read as a style ({error}); it may have {known}") from error


STYLES = tuple(read(path) for path in sorted(STYLES_DIR.glob("*.txt")))
