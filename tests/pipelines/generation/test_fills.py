"""A fill is a last bar with more snare and toms, and unlike the bars before it; the others stay as they are."""

from __future__ import annotations

import numpy as np
import pytest

from grooves.groove import Groove
from pipelines.generation import fills

KICK, SNARE, HAT, LOW_TOM = 0, 1, 2, 4


def pattern() -> np.ndarray:
    """Returns four equal bars, `[1, 64, 9]`."""
    bar = np.zeros([16, 9])
    bar[[0, 8], KICK] = bar[[4, 12], SNARE] = bar[::2, HAT] = 1
    return np.tile(bar, [4, 1])[np.newaxis]


def test_four_equal_bars_are_no_fill():
    assert fills.likeness(pattern()).tolist() == [0]


def test_more_snare_and_toms_in_the_last_bar_are_like_a_fill():
    hits = pattern()
    hits[0, -4:, LOW_TOM] = 1
    hits[0, -3, SNARE] = 1
    assert fills.likeness(hits) == pytest.approx([5 + 5 / 10])  # Five hits more, in five cells that differ.


def test_other_drums_count_for_what_differs_alone():
    hits = pattern()
    hits[0, -16::2, HAT] = 0
    assert fills.likeness(hits) == pytest.approx([8 / 10])


def test_a_busy_pattern_is_compared_with_itself():
    hits = pattern()
    hits[0, :, LOW_TOM] = 1
    assert fills.likeness(hits) == pytest.approx([0])
    hits[0, -16:, LOW_TOM] = 0
    assert fills.likeness(hits) == pytest.approx([-16 + 16 / 10])


def test_windows_are_judged_each_for_itself():
    fill = pattern()
    fill[0, -4:, LOW_TOM] = 1
    assert fills.likeness(np.concatenate([pattern(), fill])).tolist() == pytest.approx([0, 4.4])


@pytest.mark.parametrize("name", ["hier-drums", "groovae"])
def test_last_bars_are_replaced_where_a_phrase_ends_and_nowhere_else(trained_player, name):
    player = trained_player(name)
    z = player.draw(3, np.random.default_rng(1))
    composed = player.model.decode(z, 0.0, np.random.default_rng(1))
    before = composed.join().copy()
    added = fills.add(player, composed, z, np.array([False, True, True]), np.random.default_rng(2))
    np.testing.assert_array_equal(composed.join(), before)  # Nothing is changed in place.
    np.testing.assert_array_equal(added.join()[0], before[0])
    np.testing.assert_array_equal(added.join()[:, :48], before[:, :48])
    assert (fills.likeness(added.hits)[1:] > fills.likeness(composed.hits)[1:]).all()
    for part in (added.velocities, added.offsets):
        assert not part[added.hits == 0].any()
    again = fills.add(player, composed, z, np.array([False, True, True]), np.random.default_rng(2))
    np.testing.assert_array_equal(again.join(), added.join())


def test_no_phrase_that_ends_is_no_fill(trained_player):
    player = trained_player("hier-drums")
    composed = Groove(*np.zeros([3, 2, 64, 9]))
    z = player.draw(2, np.random.default_rng(1))
    added = fills.add(player, composed, z, np.array([False, False]), np.random.default_rng(2))
    assert not added.hits.any()
