"""Bars, beats and grids."""

import numpy as np
import pytest

from pipelines.pages.notation import beats
from pipelines.pages.notation.beats import Metre


def written(positions, num_bars=4):
    """Returns what is written of positions in quarters in 4/4, in quarters."""
    bars = beats.bars([], num_bars * 96 - 1)
    places = beats.written([beat for bar in bars for beat in bar.beats], [position * 24 for position in positions])
    return [place / 24 for place in places]


def test_bars_hold_the_last_hit():
    assert [bar.start for bar in beats.bars([], 0)] == [0]
    assert [bar.start for bar in beats.bars([], 95.9)] == [0]
    assert [(bar.start, bar.length) for bar in beats.bars([], 96)] == [(0, 96), (96, 96)]


@pytest.mark.parametrize(
    ("metre", "lengths"),
    [
        *[((4, 4), [24] * 4), ((3, 4), [24] * 3), ((2, 2), [24] * 4), ((1, 1), [24] * 4)],
        *[((6, 8), [36, 36]), ((3, 8), [36]), ((4, 8), [24, 24]), ((5, 8), [36, 24]), ((7, 8), [36, 24, 24])],
        *[((1, 8), [12]), ((2, 16), [12]), ((4, 16), [24]), ((7, 16), [18, 12, 12]), ((10, 16), [12] * 5)],
        *[((3, 32), [9]), ((1, 32), [3])],
    ],
)
def test_beats_follow_the_metre(metre, lengths):
    (bar,) = beats.bars([Metre(0, *metre)], 0)
    assert [beat.length for beat in bar.beats] == lengths
    assert bar.length == sum(lengths) == metre[0] * 96 // metre[1]


def test_compound_metres_are_counted_in_dotted_quarters():
    assert [Metre(0, *metre).is_compound for metre in ((6, 8), (12, 8), (3, 4), (7, 8), (6, 16))] == [
        *(True, True, False, False, False)
    ]


def test_a_metre_change_within_a_bar_cuts_it_short():
    bars = beats.bars([Metre(0, 4, 4), Metre(60, 3, 4)], 100)
    assert [(bar.start, bar.length) for bar in bars] == [(0, 60), (60, 72)]
    assert [beat.length for beat in bars[0].beats] == [24, 24, 12]


def test_a_metre_that_is_said_again_changes_nothing():
    bars = beats.bars([Metre(0, 4, 4), Metre(60, 3, 4), Metre(60, 4, 4), Metre(192, 3, 4), Metre(192, 2, 4)], 192)
    assert [(bar.start, bar.length) for bar in bars] == [(0, 96), (96, 96), (192, 48)]


@pytest.mark.parametrize(("metre", "text"), [((0, 4), "0/4"), ((5, 64), "5/64")])
def test_a_metre_that_cannot_be_written_is_refused(metre, text):
    with pytest.raises(ValueError, match=f"a metre of {text} cannot be written; .*a denominator up to 32"):
        beats.bars([Metre(0, *metre)], 0)


def test_a_piece_without_end_is_refused():
    assert len(beats.bars([], 9_999 * 96)) == 10_000
    for metres in ([], [Metre(0, 255, 1)], [Metre(0, 1, 32)]):
        with pytest.raises(ValueError, match="it has more than 40,000 beats"):
            beats.bars(metres, 1e12)


def test_hits_early_and_late_are_on_the_nearest_sixteenth():
    played = [0.1, 0.26, 0.47, 0.8, 0.9, 2.88, 3.87, 4.12]
    assert written(played) == [0, 0.25, 0.5, 0.75, 1, 3, 3.75, 4]


def test_halves_are_rounded_up_as_note_seq_does():
    assert written([0.125, 0.375, 0.875]) == [0.25, 0.5, 1]


def test_triplets_are_believed_where_both_thirds_are_hit():
    assert written([0, 1 / 3, 2 / 3]) == pytest.approx([0, 1 / 3, 2 / 3])
    assert written([0.02, 0.31, 0.68, 1, 1.25, 1.5, 1.75]) == pytest.approx([0, 1 / 3, 2 / 3, 1, 1.25, 1.5, 1.75])
    assert written([1 / 3, 2 / 3]) == pytest.approx([1 / 3, 2 / 3])


def test_one_hit_alone_is_no_triplet_among_straight_beats():
    assert written([0, 2 / 3, 1, 1.5, 2, 2.5]) == [0, 0.75, 1, 1.5, 2, 2.5]


@pytest.mark.parametrize(
    ("swing", "expected"),
    [(0.5, 0.5), (0.55, 0.5), (0.58, 0.5), (0.6, 0.5), (0.64, 2 / 3), (0.67, 2 / 3), (0.72, 0.75)],
)
def test_swing_is_written_straight_unless_it_is_clearly_in_triplets(swing, expected):
    played = [beat + offset for beat in range(16) for offset in (0, swing)]
    assert written(played) == pytest.approx([beat + offset for beat in range(16) for offset in (0, expected)])


def test_in_a_shuffle_a_loose_beat_is_in_triplets_as_well():
    played = [beat + offset for beat in range(15) for offset in (0, 0.66)] + [15, 15.6]
    assert written(played)[-1] == pytest.approx(15 + 2 / 3)


def test_the_hits_of_all_drums_decide_together():
    assert written([0, 0, 1 / 3, 2 / 3, 2 / 3]) == pytest.approx([0, 0, 1 / 3, 2 / 3, 2 / 3])


def test_sixths_are_believed_where_three_neighbours_are_hit():
    assert written([n / 6 for n in range(6)]) == pytest.approx([n / 6 for n in range(6)])
    assert written([0, 1 / 6, 2 / 6, 0.5]) == pytest.approx([0, 1 / 6, 2 / 6, 0.5])
    swung_sixteenths = [0, 0.32, 0.5, 0.82, 1]
    assert written(swung_sixteenths) == [0, 0.25, 0.5, 0.75, 1]


def test_sixteenths_that_are_late_as_a_whole_are_no_sixths():
    assert written([0.082, 0.086, 0.341, 0.55]) == [0, 0, 0.25, 0.5]


def test_sixteenths_that_are_played_loosely_stay_sixteenths():
    random = np.random.default_rng(1)
    exact = np.arange(64) / 4
    assert written(np.maximum(0, exact + random.normal(0, 0.03, 64)).tolist()) == exact.tolist()


def test_compound_beats_are_in_sixteenths():
    bars = beats.bars([Metre(0, 6, 8)], 71)
    places = beats.written([beat for bar in bars for beat in bar.beats], [0, 11, 13, 20, 35])
    assert places == [0, 12, 12, 18, 36]
