"""Rhythm on paper: the note values and rests of a voice that fill a bar, with their tuplets and beams.

A drum's length means nothing, so a note lasts until the next hit of its voice within the beat, or to the beat's end.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Sequence

from pipelines.pages.notation import beats
from pipelines.pages.notation.beats import DIVISIONS, SIXTEENTH, SIXTH, THIRD

# Note values by their divisions; a dot adds half.
_UNDOTTED = {96: "whole", 48: "half", 24: "quarter", 12: "eighth", 6: "16th", 3: "32nd"}
_DOTTED = {length * 3 // 2: kind for length, kind in _UNDOTTED.items() if length * 3 % 2 == 0}
_NUM_BEAMS = {"eighth": 1, "16th": 2, "32nd": 3}
_FOUR_QUARTERS = [DIVISIONS] * 4


@dataclasses.dataclass(frozen=True)
class Tuplet:
    """So many notes of a kind, in the time of fewer."""

    actual: int
    normal: int
    kind: str


_TRIPLET = Tuplet(3, 2, "eighth")
_SEXTUPLET = Tuplet(6, 4, "16th")
_SHORT_TRIPLET = Tuplet(3, 2, "16th")


@dataclasses.dataclass(frozen=True)
class Symbol:
    """A note, a chord or a rest of one voice.

    Attributes:
        start: Where it begins, in divisions from the beginning of the piece.
        length: How long it lasts, in divisions.
        kind: Its note value, such as "eighth"; empty for the rest of a whole bar.
        is_rest: Whether it is a rest.
        is_dotted: Whether it has a dot.
        tuplet: The tuplet that it is in, or None.
        tuplet_edge: "start" or "stop" on the first and last symbol of a tuplet.
        beams: For each level from the eighths' on, "begin", "continue", "end", "forward hook" or "backward hook".
    """

    start: int
    length: int
    kind: str
    is_rest: bool
    is_dotted: bool = False
    tuplet: Tuplet | None = None
    tuplet_edge: str = ""
    beams: tuple[str, ...] = ()

    @property
    def end(self) -> int:
        return self.start + self.length


def fill(bar: beats.Bar, places: Iterable[int]) -> list[Symbol]:
    """Returns the notes and rests of a voice that fill a bar.

    Args:
        bar: The bar.
        places: The divisions within it that the voice has a hit at, on the grids that `beats.written` puts them on.
    """
    places = sorted(set(places))
    if not places:
        return [Symbol(bar.start, bar.length, "", is_rest=True)]
    symbols: list[Symbol] = []
    for group in _groups(bar, places):
        start, end = group[0].start, group[-1].end
        inside = [place for place in places if start <= place < end]
        symbols += _with_beams(_fill_beat(start, end, inside))
    return symbols


def _groups(bar: beats.Bar, places: Sequence[int]) -> list[tuple[beats.Beat, ...]]:
    """Returns the beats one by one; an empty half of a bar of four quarters is one group, as it has one rest."""
    if [beat.length for beat in bar.beats] != _FOUR_QUARTERS:
        return [(beat,) for beat in bar.beats]
    groups = []
    for half in (bar.beats[:2], bar.beats[2:]):
        is_empty = not any(half[0].start <= place < half[-1].end for place in places)
        groups += [half] if is_empty else [(beat,) for beat in half]
    return groups


def _fill_beat(start: int, end: int, places: Sequence[int]) -> list[Symbol]:
    tuplet = _tuplet(start, places)
    middle = start + DIVISIONS // 2
    halves = [place for place in places if place < middle], [place for place in places if place >= middle]
    are_plain = halves[0] in ([], [start]), halves[1] in ([], [middle])
    if tuplet == _SEXTUPLET and any(are_plain):  # Half of a sextuplet is a triplet of sixteenths beside an eighth.
        first, second = (None if is_plain else _SHORT_TRIPLET for is_plain in are_plain)
        return [*_fill_span(start, middle, halves[0], first), *_fill_span(middle, end, halves[1], second)]
    return _fill_span(start, end, places, tuplet)


def _tuplet(start: int, places: Sequence[int]) -> Tuplet | None:
    """Returns the tuplet that a beat is in, by where in it the voice has hits."""
    for step, tuplet in ((SIXTEENTH, None), (THIRD, _TRIPLET), (SIXTH, _SEXTUPLET)):
        if all((place - start) % step == 0 for place in places):
            return tuplet
    return None  # In thirty-seconds.


def _fill_span(start: int, end: int, places: Sequence[int], tuplet: Tuplet | None) -> list[Symbol]:
    """Returns the symbols of a span that is in one tuplet, or in none."""
    if not places:
        return _rests(start, end, tuplet, can_be_dotted=True)
    symbols = _rests(start, places[0], tuplet)
    for place, following in itertools.pairwise([*places, end]):
        symbols.append(_longest(place, following, tuplet, is_rest=False))
        symbols += _rests(symbols[-1].end, following, tuplet)
    if tuplet:
        symbols[0] = dataclasses.replace(symbols[0], tuplet_edge="start")
        symbols[-1] = dataclasses.replace(symbols[-1], tuplet_edge="stop")
    return symbols


def _rests(start: int, end: int, tuplet: Tuplet | None, can_be_dotted: bool = False) -> list[Symbol]:
    rests = []
    while start < end:
        rests.append(_longest(start, end, tuplet, is_rest=True, can_be_dotted=can_be_dotted))
        start = rests[-1].end
    return rests


def _longest(start: int, end: int, tuplet: Tuplet | None, is_rest: bool, can_be_dotted: bool = True) -> Symbol:
    """Returns the longest symbol of one note value that begins and ends within a span."""
    values = _UNDOTTED | _DOTTED if can_be_dotted else _UNDOTTED
    actual, normal = (tuplet.actual, tuplet.normal) if tuplet else (1, 1)
    value = max(length for length in values if length * normal <= (end - start) * actual)
    return Symbol(start, value * normal // actual, values[value], is_rest, is_dotted=value in _DOTTED, tuplet=tuplet)


def _with_beams(symbols: Sequence[Symbol]) -> list[Symbol]:
    """Returns the symbols of one beat with beams from note to note where no rest is in between."""
    result: list[Symbol] = []
    for can_have_beams, run in itertools.groupby(symbols, lambda symbol: not symbol.is_rest and _num_beams(symbol) > 0):
        run = list(run)
        if can_have_beams and len(run) > 1:
            counts = [0, *(_num_beams(symbol) for symbol in run), 0]
            run = [
                dataclasses.replace(symbol, beams=_beams(*around))
                for symbol, around in zip(run, zip(counts, counts[1:], counts[2:], strict=False), strict=True)
            ]
        result += run
    return result


def _num_beams(symbol: Symbol) -> int:
    return _NUM_BEAMS.get(symbol.kind, 0)


def _beams(before: int, here: int, after: int) -> tuple[str, ...]:
    """Returns the beams of a note, level by level, given how many it and its neighbours have."""
    beams = []
    for level in range(1, here + 1):
        if before >= level and after >= level:
            beams.append("continue")
        elif after >= level:
            beams.append("begin")
        elif before >= level:
            beams.append("end")
        else:
            beams.append("backward hook" if before else "forward hook")
    return tuple(beams)
