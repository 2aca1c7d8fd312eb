"""Writes a performance down: tabs become bars, with sections, fills, and crashes that answer them."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence

from data.starter_feel import PITCHES, VELOCITIES, Hit
from data.starter_styles import Style

TIMEKEEPERS = ("hat", "open", "ride", "bell")
SOMETIMES: Mapping[str, str] = {"?": "g", "!": "x"}


def parse_tab(tab: str, steps_per_bar: int) -> dict[str, list[str]]:
    """Returns the bars of each voice. Raises ValueError if a voice or sign is unknown, or lines do not fit a bar."""
    voices: dict[str, list[str]] = {}
    for line in filter(None, map(str.strip, tab.splitlines())):
        voice, *bars = line.split()
        if voice not in PITCHES:
            raise ValueError(f"unknown voice {voice!r} in the tab line {line!r}; known: {', '.join(PITCHES)}")
        unknown = set("".join(bars)) - {".", *VELOCITIES, *SOMETIMES}
        if unknown:
            raise ValueError(f"unknown sign {min(unknown)!r} in the tab line {line!r}; known: . g o x X ? !")
        voices[voice] = bars
    lengths = {len(bar) for bars in voices.values() for bar in bars}
    if len(lengths) != 1 or max(lengths) > steps_per_bar:
        raise ValueError(f"the bars of a tab have one length, at most {steps_per_bar} steps; given: {tab!r}")
    return voices


def arrange(style: Style, number: int, num_bars: int, section_bars: int, rng: random.Random) -> list[Hit]:
    """Returns the hits of a performance as written, in order: two sections in turn, fills between them.

    Args:
        style: The tabs to choose from.
        number: The first section goes round the style's tabs by this number.
        num_bars: Length of the performance.
        section_bars: Length of a section, a multiple of four.
        rng: Decides the rest.
    """
    num_steps = style.steps_per_bar
    sections = _sections(style, number, rng)
    hits: dict[tuple[int, str], str] = {}
    answer = rng.random() < 0.5  # A crash opens every other performance.
    for bar in range(num_bars):
        cells = _bar(sections[bar // section_bars % len(sections)], bar, rng)
        if answer:
            _answer(cells, style.crash)
        # A section ends in a fill, other four-bar phrases do half the time; the last bar has nowhere to lead.
        ends_section, ends_phrase = (bar + 1) % section_bars == 0, (bar + 1) % 4 == 0
        answer = bar + 1 < num_bars and (ends_section or (ends_phrase and rng.random() < 0.5))
        if answer:
            fill = style.fills[int(rng.random() * len(style.fills))]
            _fill(cells, parse_tab(fill, num_steps), num_steps, rng)
        hits.update({(bar * num_steps + step, voice): sign for (step, voice), sign in cells.items()})
    return [Hit(step, voice, sign) for (step, voice), sign in sorted(hits.items())]


def _sections(style: Style, number: int, rng: random.Random) -> list[dict[str, list[str]]]:
    """Returns the tabs of two sections, which always differ in the groove and often in the time."""
    times, grooves = len(style.times), len(style.grooves)
    groove = number + number // math.lcm(times, grooves)  # The same pair never opens two performances.
    second_time = number + (1 if rng.random() < 0.5 else 0)
    second_groove = groove + 1 + int(rng.random() * (grooves - 1))
    pairs = ((number % times, groove % grooves), (second_time % times, second_groove % grooves))
    return [
        parse_tab(style.times[time], style.steps_per_bar) | parse_tab(style.grooves[groove], style.steps_per_bar)
        for time, groove in pairs
    ]


def _bar(section: Mapping[str, Sequence[str]], bar: int, rng: random.Random) -> dict[tuple[int, str], str]:
    """Returns the signs of a bar by (step, voice), with the optional hits decided."""
    cells = {}
    for voice, bars in section.items():
        for step, sign in enumerate(bars[bar % len(bars)]):
            played = sign not in SOMETIMES or rng.random() < 0.5
            if sign != "." and played:
                cells[step, voice] = SOMETIMES.get(sign, sign)
    return cells


def _answer(cells: dict[tuple[int, str], str], crash: str) -> None:
    """Puts a crash with a kick on the downbeat, in place of what kept the time there."""
    for voice in TIMEKEEPERS:
        cells.pop((0, voice), None)
    cells[0, crash] = "X"
    cells[0, "kick"] = "X"


def _fill(cells: dict[tuple[int, str], str], fill: Mapping[str, list[str]], num_steps: int, rng: random.Random) -> None:
    """Replaces the end of a bar with a fill."""
    signs = _bar(fill, 0, rng)
    start = num_steps - len(next(iter(fill.values()))[0])
    for cell in [cell for cell in cells if cell[0] >= start]:
        del cells[cell]
    cells.update({(start + step, voice): sign for (step, voice), sign in signs.items()})
