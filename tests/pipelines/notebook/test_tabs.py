"""Tabs: what a beat as text becomes, and what is said of one that cannot be read."""

import numpy as np
import pytest

from grooves import drums
from pipelines.generation import song
from pipelines.notebook import tabs

HAT, SNARE, KICK = (drums.CLASS_NAMES.index(name) for name in ("closed hi-hat", "snare", "kick"))


def test_a_tab_is_velocities_by_step_and_drum():
    groove = tabs.read("Hi-Hat x-x-x-x-|x-x-x-x-\n\n  open  hi-hat ..............x.\nkick X-----o---------\n")
    assert groove.shape == (16, 9)
    assert np.flatnonzero(groove[:, HAT]).tolist() == list(range(0, 16, 2))
    assert np.flatnonzero(groove[:, drums.CLASS_NAMES.index("open hi-hat")]).tolist() == [14]
    assert np.flatnonzero(groove[:, KICK]).tolist() == [0, 6]
    assert groove[0, KICK] > groove[0, HAT] > groove[6, KICK] > 0
    assert not groove[:, SNARE].any()


def test_it_is_repeated_to_fill_a_file_exactly_on_the_grid(tmp_path):
    path = tabs.write("beat", "kick x---------------\nsnare ----x-----------", 90, 3, tmp_path / "new")
    assert path == tmp_path / "new" / "beat.mid"
    whole = song.read(path)
    assert whole.notes.quarters.tolist() == [0, 1, 4, 5, 8, 9]
    assert whole.notes.pitches.tolist() == [36, 38] * 3
    assert whole.tempos[0][1] == pytest.approx(90)


def test_two_bars_fill_three_as_far_as_they_go(tmp_path):
    path = tabs.write("beat", f"kick {'x' + '-' * 15}{'-' * 15}x", 120, 3, tmp_path)
    assert song.read(path).notes.steps.tolist() == [0, 31, 32]


def test_the_same_tab_gives_the_same_bytes(tmp_path):
    first, second = (tabs.write("beat", "kick x---------------", 120, 4, tmp_path / name) for name in "ab")
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize(
    ("tab", "message"),
    [
        ("cowbell x---------------", "begins with no drum; these are known, nearest first: "),
        ("snar x---------------", "nearest first: snare"),
        ("x---------------", "begins with no drum"),
        ("kick x---y--z--------", "y z is no sign of a tab; x is a hit"),
        ("kick x---------------\nkick x---------------", "kick has a line already"),
        ("kick x---------------\nsnare x---", "have 4 and 16 signs"),
        ("kick x---x", "5 signs is no whole bars; give 16 a bar"),
        ("kick ----------------", "no hits"),
        ("\n  \n", "no signs"),
    ],
)
def test_a_tab_that_cannot_be_read_says_why(tab, message):
    with pytest.raises(ValueError, match=message) as error:
        tabs.read(tab)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("qpm", [0, -1, 401, float("nan")])
def test_a_tempo_out_of_range_is_refused_before_anything_is_written(tmp_path, qpm):
    with pytest.raises(ValueError, match="a tempo from 20 to 400 is accepted"):
        tabs.write("beat", "kick x---------------", qpm, 4, tmp_path)
    assert not list(tmp_path.iterdir())
