"""Noteheads and what is written around them: ghost notes, accents, open hi-hats, and names of rare drums.

Marks are there where they help reading. The hands' drums alone have dynamics, as a reader expects them there:

- A stroke on the snare is a ghost note, in parentheses, where it is softer than `GHOST` times its loudest one.
- A stroke on the snare or a tom has an accent where it is louder than `ACCENT` times the median of that drum's strokes,
  ghost notes aside.
- An open hi-hat has an o, and the closed one that follows it a +, unless the pedal closes it in between.
- A drum that is in no kit has its name at its first hit.
"""

from __future__ import annotations

import collections
import dataclasses
import statistics
from collections.abc import Iterable, Sequence

from pipelines.pages.notation import drum_staff
from pipelines.pages.notation.drum_staff import CLOSED_HAT, OPEN_HAT, PEDAL_HAT, SNARE, Drum

GHOST = 0.4
ACCENT = 1.5


@dataclasses.dataclass(frozen=True)
class Head:
    """A notehead: one drum, hit once.

    Attributes:
        drum: How the drum is written.
        velocity: 1 to 127.
        is_ghost: Whether it is in parentheses.
        is_accented: Whether it has an accent.
        sign: "open-string" for an o above it, as notation programs draw it, "stopped" for a +, or empty.
        label: Text above it.
    """

    drum: Drum
    velocity: int
    is_ghost: bool = False
    is_accented: bool = False
    sign: str = ""
    label: str = ""


def marked(heads: Sequence[Head]) -> list[Head]:
    """Returns the heads of a piece, given in order of time, with their marks."""
    return _with_labels(_with_signs(_with_dynamics(heads)))


def _with_dynamics(heads: Sequence[Head]) -> list[Head]:
    strokes: dict[tuple, list[int]] = collections.defaultdict(list)
    for head in heads:
        strokes[head.drum.height, head.drum.notehead].append(head.velocity)
    limits = {}  # Below the first it is a ghost note, above the second it is accented.
    for head in heads:
        sign = head.drum.height, head.drum.notehead
        if sign not in limits and head.drum.notehead == drum_staff.ROUND and not head.drum.is_played_by_foot:
            softest = GHOST * max(strokes[sign]) if head.drum.place == SNARE.place else 0
            limits[sign] = softest, ACCENT * statistics.median(x for x in strokes[sign] if x >= softest)
    result = []
    for head in heads:
        softest, loudest = limits.get((head.drum.height, head.drum.notehead), (0, 127))
        changes = {"is_ghost": head.velocity < softest, "is_accented": head.velocity > loudest}
        result.append(dataclasses.replace(head, **changes))
    return result


def _with_signs(heads: Iterable[Head]) -> list[Head]:
    result, is_open = [], False
    for head in heads:
        sign = ""
        if head.drum == OPEN_HAT:
            sign, is_open = "open-string", True
        elif head.drum in (CLOSED_HAT, PEDAL_HAT):
            sign = "stopped" if is_open and head.drum == CLOSED_HAT else ""
            is_open = False
        result.append(dataclasses.replace(head, sign=sign))
    return result


def _with_labels(heads: Iterable[Head]) -> list[Head]:
    named: set[str] = set()
    result = []
    for head in heads:
        is_new = not head.drum.is_in_kit and head.drum.name not in named
        result.append(dataclasses.replace(head, label=head.drum.name if is_new else ""))
        named.add(head.drum.name)
    return result
