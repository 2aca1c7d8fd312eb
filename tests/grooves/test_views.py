"""What an encoder sees of a groove: all of it, its hits, or a rhythm."""

from __future__ import annotations

import numpy as np
import pytest

from grooves import transforms, views
from grooves.groove import Groove
from tests import songs


@pytest.fixture
def played() -> Groove:
    """Two grooves of four bars, with silent steps and steps of several drums."""
    return Groove.split(np.stack([songs.groove(seed).join() for seed in (1, 2)]))


@pytest.mark.parametrize(("view", "depth"), [("drums", 10), ("groove", 27), ("hits", 27), ("taps", 27)])
def test_each_view_has_its_depth_whatever_is_in_front_of_the_steps(played, view, depth):
    assert views.depth(view) == depth
    assert views.see(view, played).shape == (2, 64, depth)
    first = Groove(played.hits[0], played.velocities[0], played.offsets[0])
    np.testing.assert_array_equal(views.see(view, first), views.see(view, played)[0])


def test_there_are_no_other_views():
    assert views.ALL == ("drums", "groove", "hits", "taps")


def test_drums_are_hits_and_whether_there_is_none(played):
    seen = views.see(views.DRUMS, played)
    assert seen.dtype == bool
    np.testing.assert_array_equal(seen[..., :9], played.hits > 0)
    np.testing.assert_array_equal(seen[..., 9], ~(played.hits > 0).any(axis=-1))


def test_a_groove_is_seen_whole(played):
    np.testing.assert_array_equal(views.see(views.GROOVE, played), played.join())


def test_hits_are_seen_without_feel(played):
    hits, velocities, offsets = np.split(views.see(views.HITS, played), 3, axis=-1)
    np.testing.assert_array_equal(hits, played.hits)
    assert not velocities.any() and not offsets.any()


def test_taps_are_one_line_in_time_without_loudness(played):
    """The loudest drum of each step, with its offset."""
    hits, velocities, offsets = np.split(views.see(views.TAPS, played), 3, axis=-1)
    others = np.arange(9) != transforms.TAP_CLASS
    assert not hits[..., others].any() and not offsets[..., others].any() and not velocities.any()
    np.testing.assert_array_equal(hits[..., transforms.TAP_CLASS] > 0, (played.hits > 0).any(axis=-1))
    loudest = played.velocities.argmax(axis=-1)
    expected = np.take_along_axis(played.offsets, loudest[..., np.newaxis], axis=-1)[..., 0]
    np.testing.assert_array_equal(offsets[..., transforms.TAP_CLASS], expected)


@pytest.mark.parametrize("view", views.ALL)
def test_nothing_is_changed_in_place(played, view):
    before = played.join()
    views.see(view, played)
    np.testing.assert_array_equal(played.join(), before)
