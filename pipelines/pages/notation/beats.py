"""The bars and beats of a piece, and the step of its beat that each hit is written on.

Times are counted in divisions, `DIVISIONS` a quarter, from the beginning of the piece.
"""

from __future__ import annotations

import bisect
import dataclasses
import itertools
import math
from collections.abc import Sequence

DIVISIONS = 24
DOTTED_QUARTER = 36
SIXTEENTH, THIRD, SIXTH, THIRTY_SECOND = 6, 8, 4, 3  # The steps that a quarter can be written in.
MAX_BEATS = 40_000  # 10,000 bars of 4/4.
MAX_DENOMINATOR = 32
_CLEARLY = 0.5  # A grid fits clearly better where hits are less than half as far from it.


@dataclasses.dataclass(frozen=True)
class Metre:
    """A metre, and the division from which on it holds."""

    start: int
    numerator: int
    denominator: int

    @property
    def bar_length(self) -> int:
        return self.numerator * 4 * DIVISIONS // self.denominator

    @property
    def beat_lengths(self) -> list[int]:
        """The lengths of a bar's beats.

        Quarters; in eighths or less, threes or quarters where these fill the bar, else twos, after a three if need be.
        """
        unit = 4 * DIVISIONS // self.denominator
        if unit >= DIVISIONS:
            return [DIVISIONS] * (self.bar_length // DIVISIONS)
        for group in (3, DIVISIONS // unit):
            if self.numerator % group == 0:
                return [group * unit] * (self.numerator // group)
        if self.numerator == 1:
            return [unit]
        three = [3 * unit] * (self.numerator % 2)
        return three + [2 * unit] * ((self.numerator - 3 * len(three)) // 2)

    @property
    def is_compound(self) -> bool:
        """Whether its beats are dotted quarters, as in 6/8."""
        return set(self.beat_lengths) == {DOTTED_QUARTER}


@dataclasses.dataclass(frozen=True)
class Beat:
    start: int
    length: int

    @property
    def end(self) -> int:
        return self.start + self.length


@dataclasses.dataclass(frozen=True)
class Bar:
    metre: Metre
    beats: tuple[Beat, ...]

    @property
    def start(self) -> int:
        return self.beats[0].start

    @property
    def length(self) -> int:
        return self.beats[-1].end - self.start


def bars(metres: Sequence[Metre], last: float) -> list[Bar]:
    """Returns whole bars from 0 to the one that holds the division `last`.

    Args:
        metres: In order; 4/4 holds until the first one. One that comes within a bar cuts it short.
        last: Where the last hit is.

    Raises:
        ValueError: a metre cannot be written, or there are more than `MAX_BEATS`.
    """
    for metre in metres:
        if metre.numerator < 1 or not 1 <= metre.denominator <= MAX_DENOMINATOR:
            raise ValueError(
                f"a metre of {metre.numerator}/{metre.denominator} cannot be written; "
                f"from 1/1 on, with a denominator up to {MAX_DENOMINATOR}, they can"
            )
    found, start, num_beats = [], 0, 0
    metres = _without_repetitions([Metre(0, 4, 4), *metres])
    for metre, change in itertools.zip_longest(metres, [metre.start for metre in metres[1:]], fillvalue=math.inf):
        while start < change and (start <= last or not found):
            found.append(Bar(metre, _beats_of_bar(metre, start, min(start + metre.bar_length, change))))
            start += found[-1].length
            num_beats += len(found[-1].beats)
            if num_beats > MAX_BEATS:
                raise ValueError(f"it has more than {MAX_BEATS:,} beats; up to so many can be written")
    return found


def _without_repetitions(metres: Sequence[Metre]) -> list[Metre]:
    """Returns the metres that differ from the one before; of several at one place, the last."""
    result: list[Metre] = []
    for metre in metres:
        if result and result[-1].start == metre.start:
            result.pop()
        if not result or (result[-1].numerator, result[-1].denominator) != (metre.numerator, metre.denominator):
            result.append(metre)
    return result


def _beats_of_bar(metre: Metre, start: int, end: float) -> tuple[Beat, ...]:
    starts = itertools.accumulate(metre.beat_lengths, initial=start)
    pairs = zip(starts, metre.beat_lengths, strict=False)
    return tuple(Beat(at, int(min(length, end - at))) for at, length in pairs if at < end)


def written(beats: Sequence[Beat], positions: Sequence[float]) -> list[int]:
    """Returns the division that each hit is written at, given where it is played.

    Each beat has the grid of all of its hits, hands and feet. A hit is in the beat that its nearest sixteenth is in,
    and on the step of the beat's grid that it is nearest to. The grid is:

    - sixteenths, unless another one fits clearly better: hits off the beat are less than half as far from it, by the
      root of the mean square;
    - thirds of a quarter, where both of them off the beat are hit. A hit on one of them alone is as well swung, which
      is written straight; unless the piece is in triplets, which it is where more than half of its beats with hits off
      the beat fit thirds clearly better. There, a beat is in thirds if they fit better at all;
    - sixths of a quarter, where they fit all hits of the beat clearly better than both, and three neighbours are hit.
      Without these, it may be swung sixteenths.

    Beats of other lengths than a quarter are in sixteenths, or in thirty-seconds if no sixteenths fill them.
    """
    starts = [beat.start for beat in beats]
    beat_of_hit = [max(0, bisect.bisect(starts, position + SIXTEENTH / 2) - 1) for position in positions]
    offsets: dict[int, list[float]] = {}
    for number, position in zip(beat_of_hit, positions, strict=True):
        offsets.setdefault(number, []).append(position - starts[number])
    quarters = [offsets[number] for number in offsets if beats[number].length == DIVISIONS and _off(offsets[number])]
    num_in_thirds = sum(_fits_clearly(_off(quarter), THIRD, SIXTEENTH) for quarter in quarters)
    is_in_triplets = 2 * num_in_thirds > len(quarters)
    steps = {number: _step(beats[number], offsets[number], is_in_triplets) for number in offsets}
    return [
        starts[number] + _nearest(position - starts[number], steps[number], beats[number].length)
        for number, position in zip(beat_of_hit, positions, strict=True)
    ]


def _step(beat: Beat, offsets: Sequence[float], is_in_triplets: bool) -> int:
    """Returns the step of a beat's grid."""
    if beat.length % SIXTEENTH:
        return THIRTY_SECOND
    off = _off(offsets)
    if beat.length != DIVISIONS or not off:
        return SIXTEENTH
    if _has_run(offsets) and _fits_clearly(offsets, SIXTH, SIXTEENTH, THIRD):
        return SIXTH
    if is_in_triplets:
        return THIRD if _distance(off, THIRD) < _distance(off, SIXTEENTH) else SIXTEENTH
    are_both_hit = {THIRD, 2 * THIRD} <= {_nearest(offset, THIRD) for offset in off}
    return THIRD if are_both_hit and _fits_clearly(off, THIRD, SIXTEENTH) else SIXTEENTH


def _off(offsets: Sequence[float]) -> list[float]:
    """Returns the offsets that are off the beat, nearer to another sixteenth."""
    return [offset for offset in offsets if offset >= SIXTEENTH / 2]


def _has_run(offsets: Sequence[float]) -> bool:
    """Whether three neighbouring sixths of a beat are hit."""
    hit = {_nearest(offset, SIXTH) for offset in offsets}
    return any({start, start + SIXTH, start + 2 * SIXTH} <= hit for start in hit)


def _fits_clearly(offsets: Sequence[float], step: int, *others: int) -> bool:
    return all(_distance(offsets, step) < _CLEARLY * _distance(offsets, other) for other in others)


def _distance(offsets: Sequence[float], step: int) -> float:
    return math.sqrt(sum((offset - _nearest(offset, step)) ** 2 for offset in offsets) / len(offsets))


def _nearest(offset: float, step: int, length: int = DIVISIONS) -> int:
    """Returns the multiple of `step` within a beat that an offset is nearest to, halves up."""
    return min(max(0, math.floor(offset / step + 0.5)), length // step - 1) * step
