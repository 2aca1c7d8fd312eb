"""Note values, rests, tuplets and beams."""

import itertools

import pytest

from pipelines.pages.notation import beats, rhythm
from pipelines.pages.notation.beats import Metre


def filled(places, metre=(4, 4)):
    """Returns a bar's symbols as text: value, dot, and "-" for a rest; tuplets in brackets."""
    (bar,) = beats.bars([Metre(0, *metre)], 0)
    texts = []
    for symbol in rhythm.fill(bar, places):
        text = f"{symbol.kind or 'bar'}{'.' * symbol.is_dotted}{'-' * symbol.is_rest}"
        left = f"[{symbol.tuplet.actual}:" if symbol.tuplet_edge == "start" else ""
        texts.append(f"{left}{text}{']' if symbol.tuplet_edge == 'stop' else ''}")
    return " ".join(texts)


def beams(places):
    (bar,) = beats.bars([Metre(0, 4, 4)], 0)
    return [symbol.beams for symbol in rhythm.fill(bar, places) if not symbol.is_rest]


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ([], "bar-"),
        ([0], "quarter quarter- half-"),
        ([0, 24, 48, 72], "quarter quarter quarter quarter"),
        ([48], "half- quarter quarter-"),
        ([24], "quarter- quarter half-"),
        ([0, 12, 18, 24], "eighth 16th 16th quarter half-"),
        ([0, 18], "eighth. 16th quarter- half-"),
        ([6], "16th- eighth. quarter- half-"),
        ([12], "eighth- eighth quarter- half-"),
        ([18], "eighth- 16th- 16th quarter- half-"),
        ([0, 6, 18], "16th eighth 16th quarter- half-"),
        ([54, 90], "half- 16th- eighth. eighth- 16th- 16th"),
    ],
)
def test_a_hit_lasts_until_the_next_one_of_its_beat(places, expected):
    assert filled(places) == expected


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ([0, 8, 16], "[3:eighth eighth eighth]"),
        ([0, 16], "[3:quarter eighth]"),
        ([0, 8], "[3:eighth quarter]"),
        ([16], "[3:quarter- eighth]"),
        ([8], "[3:eighth- quarter]"),
        ([8, 16], "[3:eighth- eighth eighth]"),
        ([0, 4, 8, 12, 16, 20], "[6:16th 16th 16th 16th 16th 16th]"),
        ([0, 8, 12], "[3:eighth 16th] eighth"),
        ([0, 4, 8, 12], "[3:16th 16th 16th] eighth"),
        ([0, 12, 16, 20], "eighth [3:16th 16th 16th]"),
        ([12, 16, 20], "eighth- [3:16th 16th 16th]"),
        ([0, 4, 8], "[3:16th 16th 16th] eighth-"),
        ([0, 4, 20], "[6:16th quarter 16th]"),
        ([4, 16], "[6:16th- eighth. eighth]"),
    ],
)
def test_tuplets_fill_a_beat_or_half_of_one(places, expected):
    assert filled(places) == f"{expected} quarter- half-"


def test_a_voice_that_needs_no_tuplet_in_a_beat_of_them_has_none():
    assert filled([0]) == "quarter quarter- half-"
    assert filled([12]) == "eighth- eighth quarter- half-"


@pytest.mark.parametrize(
    ("metre", "places", "expected"),
    [
        ((3, 4), [0], "quarter quarter- quarter-"),
        ((3, 4), [], "bar-"),
        ((2, 2), [0], "quarter quarter- half-"),
        ((6, 8), [0], "quarter. quarter.-"),
        ((6, 8), [0, 24], "quarter eighth quarter.-"),
        ((6, 8), [6], "16th- quarter 16th- quarter.-"),
        ((6, 8), [30, 36], "quarter- 16th- 16th quarter."),
        ((7, 8), [36], "quarter.- quarter quarter-"),
        ((5, 16), [18], "eighth.- eighth"),
        ((3, 32), [0], "16th."),
        ((3, 32), [3, 6], "32nd- 32nd 32nd"),
    ],
)
def test_other_metres_are_filled_by_their_beats(metre, places, expected):
    assert filled(places, metre) == expected


def test_beams_join_the_notes_of_a_beat():
    assert beams([0, 12]) == [("begin",), ("end",)]
    assert beams([0, 24]) == [(), ()]
    assert beams([18, 24, 36]) == [(), ("begin",), ("end",)]
    assert beams([0, 6, 12, 18]) == [
        *[("begin", "begin"), ("continue", "continue"), ("continue", "continue"), ("end", "end")]
    ]
    assert beams([0, 12, 18]) == [("begin",), ("continue", "begin"), ("end", "end")]
    assert beams([0, 18]) == [("begin",), ("end", "backward hook")]
    assert beams([0, 6]) == [("begin", "forward hook"), ("end",)]
    assert beams([0, 6, 18]) == [("begin", "forward hook"), ("continue",), ("end", "backward hook")]


def test_every_set_of_hits_fills_its_bar():
    """All that a beat's grids can hold, in a bar that begins elsewhere than at 0."""
    (_, bar) = beats.bars([Metre(0, 1, 4), Metre(24, 1, 4)], 47)
    for step in (beats.SIXTEENTH, beats.THIRD, beats.SIXTH):
        grid = range(bar.start, bar.start + bar.length, step)
        for places in itertools.chain.from_iterable(itertools.combinations(grid, n) for n in range(len(grid) + 1)):
            symbols = rhythm.fill(bar, places)
            assert [symbol.start for symbol in symbols if not symbol.is_rest] == list(places)
            assert [symbol.start for symbol in symbols] == [bar.start, *(symbol.end for symbol in symbols[:-1])]
            assert symbols[-1].end == bar.start + bar.length
