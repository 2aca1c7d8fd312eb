"""Each bar of a song is answered once, whatever its length; what is asked for and not there is said."""

from __future__ import annotations

import re

import numpy as np
import pytest

from grooves.groove import Groove
from pipelines.generation import selection, song
from tests import songs
from tests.midi_files import CRASH, KICK, SNARE


@pytest.mark.parametrize("bars_at_once", [1, 2, 4])
@pytest.mark.parametrize("num_bars", [*range(1, 41), 101, 1000])
def test_each_bar_is_answered_once_by_a_window_that_hears_it(num_bars, bars_at_once):
    chosen = selection.select(num_bars, bars_at_once)
    np.testing.assert_array_equal(chosen.heard[chosen.window, chosen.place], np.arange(num_bars))
    assert len(chosen.window) == len(chosen.place) == num_bars
    assert chosen.heard.shape == (-(-num_bars // bars_at_once), bars_at_once)
    assert set(chosen.window) == set(range(len(chosen.heard)))  # None is heard for nothing.
    if num_bars >= bars_at_once:  # What a model hears are bars in a row, and none of them twice.
        np.testing.assert_array_equal(np.diff(chosen.heard, axis=1), 1)
        assert chosen.heard.max() < num_bars


@pytest.mark.parametrize(
    ("num_bars", "heard"),
    [(1, [[0, 0, 0, 0]]), (2, [[0, 1, 0, 1]]), (3, [[0, 1, 2, 0]]), (6, [[0, 1, 2, 3], [2, 3, 4, 5]])],
)
def test_a_short_song_is_heard_over_and_over_and_a_rest_with_the_bars_before_it(num_bars, heard):
    assert selection.select(num_bars, 4).heard.tolist() == heard


@pytest.mark.parametrize("num_bars", [1, 2, 3, 4, 5, 9, 16])
def test_what_is_cut_is_joined_again(num_bars):
    random = np.random.default_rng(num_bars)
    played = Groove(*random.random([3, num_bars * 16, 9]), qpm=90)
    chosen = selection.select(num_bars, 4)
    windows = chosen.cut(played)
    assert windows.hits.shape == (len(chosen.heard), 64, 9)
    np.testing.assert_array_equal(windows.velocities[0, :16], played.velocities[:16])
    joined = chosen.join(windows)
    np.testing.assert_array_equal(joined.join(), played.join())
    assert joined.qpm == 90


@pytest.fixture
def late_song(tmp_path) -> song.Song:
    """Seven bars: two empty ones, a note of no class in bar 3, hits in bars 4, 6 and 7."""
    notes = [(8, 3, 90), (12, KICK, 91), (16, 3, 92), (20, SNARE, 93), (24, CRASH, 94)]
    return song.read(songs.write_beat(tmp_path / "late.mid", notes))


@pytest.mark.parametrize(
    ("start_bar", "num_bars", "first_bar", "length", "velocities"),
    [
        (None, None, 2, 5, [90, 91, 92, 93, 94]),
        (None, 2, 2, 2, [90, 91]),
        (1, None, 0, 7, [90, 91, 92, 93, 94]),
        (1, 4, 0, 4, [90, 91]),
        (4, 2, 3, 2, [91, 92]),
        (6, 99, 5, 2, [93, 94]),
        (7, None, 6, 1, [94]),
    ],
)
def test_the_bars_that_are_asked_for_are_taken(late_song, start_bar, num_bars, first_bar, length, velocities):
    chosen = selection.choose(late_song, start_bar, num_bars)
    assert (chosen.first_bar, chosen.num_bars) == (first_bar, length)
    assert chosen.notes.velocities.tolist() == velocities
    assert chosen.ends_early == (num_bars is not None)


@pytest.mark.parametrize(
    ("start_bar", "num_bars", "message"),
    [
        (8, None, "has 7 bars, so that --start_bar=8 is behind its end"),
        (1, 2, "has no hits in bars 1 to 2 that are in a class of the drum map; --start_bar chooses others"),
        (5, 1, "has no hits in bar 5 that are in a class of the drum map; --start_bar chooses others"),
    ],
)
def test_bars_that_are_not_there_or_silent_are_said(late_song, start_bar, num_bars, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        selection.choose(late_song, start_bar, num_bars)


def test_one_bar_is_one_bar(tmp_path):
    one = song.read(songs.write_beat(tmp_path / "a.mid", songs.beat(1)))
    with pytest.raises(ValueError, match=r"^has 1 bar, so that --start_bar=2 is behind its end$"):
        selection.choose(one, 2, None)


def test_an_early_first_hit_begins_where_the_drums_do(tmp_path):
    notes = [(7.9, KICK, 91), (9, SNARE, 92)]
    chosen = selection.choose(song.read(songs.write_beat(tmp_path / "a.mid", notes)), None, None)
    assert chosen.first_bar == 2
    np.testing.assert_allclose(chosen.notes.quarters, [-0.1, 1], atol=1e-9)
