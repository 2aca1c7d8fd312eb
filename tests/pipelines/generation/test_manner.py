"""What a performance has beside what is expected of its hits is pooled by place, drum and kit."""

import numpy as np
import pytest

from grooves.groove import Groove
from pipelines.generation import manner


def groove(hits: np.ndarray, velocity: float | np.ndarray, offset: float | np.ndarray) -> Groove:
    return Groove(hits, hits * velocity, hits * offset)


def hits(bars: int, *cells: tuple[int, int]) -> np.ndarray:
    """A drum on a sixteenth of every bar."""
    bar = np.zeros([16, 9])
    for step, drum in cells:
        bar[step, drum] = 1
    return np.tile(bar, [bars, 1])


def test_what_is_played_as_expected_changes_nothing():
    played = groove(hits(4, (0, 0), (4, 1)), 0.5, 0.1)
    found = manner.of(played, played)
    assert not found.velocities.any() and not found.offsets.any()
    expected = groove(hits(2, (3, 2)), 0.3, -0.2)
    added = found.added_to(expected)
    for part in ("hits", "velocities", "offsets"):
        np.testing.assert_array_equal(getattr(added, part), getattr(expected, part))


def test_the_more_hits_a_place_has_the_more_it_follows_them():
    """Of a place that is hit alone: (n d + 2 m) / (n + 2), where m is the drum's and the kit's mean, drawn to 0."""
    one, many = (
        manner.of(groove(hits(bars, (4, 1)), 0.9, 0.5), groove(hits(bars, (4, 1)), 0.4, 0.0)) for bars in (1, 64)
    )
    assert 0.1 < one.velocities[4, 1] < 0.25 < 0.48 < many.velocities[4, 1] < 0.5
    assert 0.1 < one.offsets[4, 1] < 0.25 < 0.48 < many.offsets[4, 1] < 0.5
    kit = 0.5 * 64 / 72
    drum = (0.5 * 64 + 8 * kit) / 72
    assert many.velocities[4, 1] == pytest.approx((0.5 * 64 + 2 * drum) / 66)


def test_a_place_without_hits_follows_its_drum_and_a_drum_without_hits_the_kit():
    played, expected = (hits(16, (4, 1), (12, 1)) for _ in range(2))
    found = manner.of(groove(played, 0.9, 0.0), groove(expected, 0.5, 0.0))
    assert found.velocities[4, 1] > found.velocities[0, 1] > found.velocities[0, 0] > 0.3
    assert len(set(found.velocities[:, 0])) == 1 and not found.offsets.any()


def test_what_is_added_stays_within_what_can_be_played():
    found = manner.Manner(np.full([16, 9], -0.9), np.full([16, 9], 0.9))
    added = found.added_to(groove(hits(3, (0, 0)), 0.5, 0.5))
    assert set(added.velocities[added.hits > 0]) == {1 / 127} and set(added.offsets[added.hits > 0]) == {1.0}
    assert not added.velocities[added.hits == 0].any() and not added.offsets[added.hits == 0].any()
