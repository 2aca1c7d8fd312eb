"""Grooves from grooves, by hand; what goes in stays as it was."""

from __future__ import annotations

import numpy as np
import pytest

from grooves import transforms
from grooves.groove import Groove

HITS = np.float32([[1, 0, 1, 0], [0, 0, 0, 0], [0, 1, 1, 1]])
VELOCITIES = np.float32([[0.5, 0, 0.75, 0], [0, 0, 0, 0], [0, 1, 0.25, 1]])
OFFSETS = np.float32([[0.1, 0, -0.2, 0], [0, 0, 0, 0], [0, 0.3, 1, -1]])
NOTHING = np.zeros_like(HITS)


@pytest.fixture
def groove():
    """Returns a groove of three steps and four drums; checks at the end that it is as it was."""
    given = Groove(HITS.copy(), VELOCITIES.copy(), OFFSETS.copy(), qpm=93)
    yield given
    assert_is(given, HITS, VELOCITIES, OFFSETS)


def assert_is(groove, hits, velocities, offsets):
    for part, expected in ((groove.hits, hits), (groove.velocities, velocities), (groove.offsets, offsets)):
        np.testing.assert_array_equal(part, expected)
        assert part.dtype == np.float32
    assert groove.qpm == 93


def test_only_hits(groove):
    made = transforms.only_hits(groove)
    assert_is(made, HITS, NOTHING, NOTHING)
    assert made.hits is groove.hits


def test_fixed_velocities(groove):
    assert_is(transforms.with_fixed_velocities(groove), HITS, NOTHING, OFFSETS)
    assert_is(transforms.with_fixed_velocities(groove, 0.5), HITS, HITS / 2, OFFSETS)


def test_tapped_is_the_loudest_of_each_step_and_of_equals_the_first(groove):
    made = transforms.tapped(groove)
    hits, velocities, offsets = (np.zeros_like(HITS) for _ in range(3))
    hits[[0, 2], 3], velocities[[0, 2], 3] = 1, [0.75, 1]
    offsets[[0, 2], 3] = OFFSETS[[0, 2], [2, 1]]
    assert_is(made, hits, velocities, offsets)
    assert_is(transforms.tapped(groove, drum=1), *(part[:, [0, 3, 2, 1]] for part in (hits, velocities, offsets)))


def test_parts_of_another_groove(groove):
    other = Groove(1 - HITS, 1 - VELOCITIES, -OFFSETS, qpm=180)
    made = transforms.with_parts_of(groove, other, np.array([False, True, False, True]))
    expected = [part.copy() for part in (HITS, VELOCITIES, OFFSETS)]
    for part, theirs in zip(expected, (other.hits, other.velocities, other.offsets), strict=True):
        part[:, [1, 3]] = theirs[:, [1, 3]]
    assert_is(made, *expected)


def test_a_batch_takes_other_voices_for_each_groove(groove):
    ours = Groove(*(np.stack([part] * 2) for part in (HITS, VELOCITIES, OFFSETS)))
    theirs = Groove(*(np.zeros([2, 3, 4], np.float32) for _ in range(3)))
    is_theirs = np.array([[[True, False, False, False]], [[False, False, False, True]]])
    made = transforms.with_parts_of(ours, theirs, is_theirs)
    for part, expected in zip((made.hits, made.velocities, made.offsets), (HITS, VELOCITIES, OFFSETS), strict=True):
        np.testing.assert_array_equal(part[0], expected * [0, 1, 1, 1])
        np.testing.assert_array_equal(part[1], expected * [1, 1, 1, 0])


@pytest.mark.parametrize(("num_steps", "order"), [(1, [2, 0, 1]), (-1, [1, 2, 0]), (3, [0, 1, 2])])
def test_shifted_goes_round(groove, num_steps, order):
    assert_is(transforms.shifted(groove, num_steps), HITS[order], VELOCITIES[order], OFFSETS[order])


def test_a_batch_is_shifted_by_a_number_of_steps_each(groove):
    batch = transforms.taken(Groove(*(part[np.newaxis] for part in (HITS, VELOCITIES, OFFSETS))), np.zeros(3, int))
    made = transforms.shifted(batch, np.array([0, 1, -1]))
    for number, order in enumerate(([0, 1, 2], [2, 0, 1], [1, 2, 0])):
        for part, expected in zip((made.hits, made.velocities, made.offsets), (HITS, VELOCITIES, OFFSETS), strict=True):
            np.testing.assert_array_equal(part[number], expected[order])


def test_two_drums_of_each_groove_change_places():
    batch = Groove(*(np.stack([part] * 2) for part in (HITS, VELOCITIES, OFFSETS)))
    made = transforms.with_exchanged(batch, np.array([[0, 2], [3, 3]]))
    for part, expected in zip((made.hits, made.velocities, made.offsets), (HITS, VELOCITIES, OFFSETS), strict=True):
        np.testing.assert_array_equal(part, [expected[:, [2, 1, 0, 3]], expected])


def test_hits_are_left_out_with_all_that_belongs_to_them(groove):
    is_left_out = np.zeros_like(HITS, bool)
    is_left_out[0, :2] = is_left_out[2, 3] = True
    kept = 1 - is_left_out.astype(np.float32)
    assert_is(transforms.without_hits(groove, is_left_out), HITS * kept, VELOCITIES * kept, OFFSETS * kept)


@pytest.mark.parametrize(
    "transform",
    [
        transforms.only_hits, transforms.with_fixed_velocities, transforms.tapped,
        lambda given: transforms.shifted(given, 5),
    ],
)  # fmt: skip
def test_a_batch_is_transformed_groove_by_groove(transform):
    batch = np.random.default_rng(1).uniform(0, 1, [3, 16, 27])
    made = transform(Groove.split(batch)).join()
    np.testing.assert_array_equal(made, [transform(Groove.split(steps)).join() for steps in batch])
