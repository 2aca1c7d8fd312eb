"""Descriptors of small grooves, worked out by hand."""

import numpy as np
import pytest

from grooves.drums import CLASS_NAMES, NUM_CLASSES
from grooves.groove import Groove
from pipelines.evaluation import descriptors

KICK, SNARE, CLOSED = 0, 1, 2


def groove(*hits, steps=16) -> Groove:
    """Returns one window of hits, each a step, a drum and, where they matter, a velocity and an offset."""
    parts = np.zeros([3, 1, steps, NUM_CLASSES])
    for step, drum, *feel in hits:
        parts[:, 0, step, drum] = (1, *(feel or (0.5, 0)))
    return Groove(*parts)


def describe(*hits, steps=16) -> dict[str, np.ndarray]:
    return {name: values[0] for name, values in descriptors.describe(groove(*hits, steps=steps), has_feel=True).items()}


def four_on_the_floor(steps=16):
    return [(step, KICK) for step in range(0, steps, 4)]


def test_four_on_the_floor():
    found = describe(*four_on_the_floor())
    assert (found["instruments"], found["syncopation"], found["swing"]) == (1, 0, 0)
    assert found["density"] == 4 / (16 * 9)
    assert found["step_density"] == found["complexity"] == 4 / 16
    assert found["density_kick"] == 4 / 16
    assert {found[f"density_{descriptors.key_of(name)}"] for name in CLASS_NAMES[1:]} == {0}
    np.testing.assert_array_equal(found["step_histogram"], np.where(np.arange(16) % 4 == 0, 1 / 4, 0))
    np.testing.assert_array_equal(found["drum_histogram"], np.eye(9)[KICK])


def test_drums_are_counted_one_by_one():
    found = describe(*four_on_the_floor(64), (4, SNARE), (4, CLOSED), (63, CLOSED), steps=64)
    assert found["instruments"] == 3
    assert (found["density_kick"], found["density_snare"], found["density_closed_hi_hat"]) == (1 / 4, 1 / 64, 2 / 64)
    assert found["step_density"] == 17 / 64
    assert found["density"] == 19 / (64 * 9)
    assert found["step_histogram"][[0, 4, 15, 3]].tolist() == [4 / 19, 6 / 19, 1 / 19, 0]
    assert found["drum_histogram"][:4].tolist() == [16 / 19, 1 / 19, 2 / 19, 0]


def test_bars_that_share_hits_are_alike():
    first = four_on_the_floor()
    in_second = [(16 + step, drum) for step, drum in first]
    assert describe(*first)["bar_likeness"] == 1  # There is one bar.
    assert describe(*first, steps=32)["bar_likeness"] == 0
    assert describe(*first, *in_second, steps=32)["bar_likeness"] == 1
    assert describe(*first, *in_second[:3], (17, SNARE), steps=32)["bar_likeness"] == 3 / 5
    assert describe(*first, *[(step, SNARE) for step, _ in in_second], steps=32)["bar_likeness"] == 0
    # Of the six pairs of four bars, the first two are alike, and the last two, which are empty.
    assert describe(*first, *in_second, steps=64)["bar_likeness"] == pytest.approx(2 / 6)


@pytest.mark.parametrize(
    ("hits", "expected"),
    [
        ([(15, KICK)], 4),  # From strength 1 to the downbeat's 5, which comes after the loop's end.
        ([(15, KICK), (0, KICK)], 0),  # The downbeat is hit.
        ([(15, KICK), (0, SNARE)], 4),  # Not on this drum.
        ([(14, KICK)], 3),  # From 2 to 5, two steps on.
        ([(14, KICK), (15, KICK)], 3 + 4),
        ([(6, SNARE), (6, KICK)], 2 * (4 - 2)),
        ([(step, KICK) for step in range(1, 16, 2)], 15),  # As syncopated as can be.
        ([(step, KICK) for step in range(16)], 0),
    ],
)
def test_syncopation_of_a_bar(hits, expected):
    assert describe(*hits)["syncopation"] == pytest.approx(expected / 15)


def test_syncopation_is_per_bar_and_a_window_is_a_loop():
    offbeats = [(step, KICK) for step in range(1, 64, 2)]
    assert describe(*offbeats, steps=64)["syncopation"] == 1
    assert describe((31, KICK), steps=32)["syncopation"] == pytest.approx(4 / 30)
    assert describe((15, KICK), (16, KICK), steps=32)["syncopation"] == 0


def test_syncopation_is_what_step_after_step_gives():
    hits = np.random.default_rng(1).random([20, 32, 9]) < 0.3
    strength = np.tile(descriptors.METRICAL_STRENGTH, 2)

    def of_drum(line):
        total = 0
        for step in np.flatnonzero(line):
            following = [(step + ahead) % 32 for ahead in (1, 2)]
            stronger = [strength[k] - strength[step] for k in following if not line[k] and strength[k] > strength[step]]
            total += stronger[0] if stronger else 0
        return total

    expected = [sum(of_drum(window[:, drum]) for drum in range(9)) / 30 for window in hits]
    np.testing.assert_allclose(descriptors.syncopation(hits), expected)


def test_complexity_is_the_length_of_syncopation_and_density():
    found = describe((15, KICK), (14, SNARE), (2, CLOSED))
    assert found["syncopation"] == pytest.approx((4 + 3 + 1) / 15)
    assert found["complexity"] == pytest.approx(np.hypot(8 / 15, 3 / 16))


def test_straight_eighths_do_not_swing_even_when_they_are_late():
    assert describe(*[(step, CLOSED, 0.5, -0.5) for step in range(0, 16, 2)])["swing"] == 0


def test_swing_is_the_lateness_of_weak_sixteenths_that_are_late():
    late = [(3, CLOSED, 0.5, -0.6), (7, CLOSED, 0.5, -0.2)]
    assert describe(*late)["swing"] == pytest.approx(0.4)
    assert describe(*late, (11, CLOSED, 0.5, 0.9), (0, KICK, 0.5, -1.0))["swing"] == pytest.approx(0.4)


def test_feel_is_over_the_hits_alone():
    found = describe((0, KICK, 0.2, -0.4), (8, SNARE, 0.6, 0.2))
    assert found["velocity_mean"] == pytest.approx(0.4)
    assert found["velocity_spread"] == pytest.approx(0.2)
    assert found["offset_mean_steps"] == pytest.approx((0.2 - 0.1) / 2)  # An offset of 1 is half a step early.
    assert found["offset_spread_steps"] == pytest.approx(0.15)


def test_silence_has_no_feel_and_no_syncopation():
    found = describe()
    feel = ("velocity_mean", "velocity_spread", "offset_mean_steps", "offset_spread_steps")
    assert all(np.isnan(found[name]) for name in feel)
    assert found.pop("bar_likeness") == 1
    assert all(np.all(values == 0) for name, values in found.items() if name not in feel)


def test_tokens_have_no_feel():
    found = descriptors.describe(groove((0, KICK)), has_feel=False)
    assert not {"velocity_mean", "velocity_spread", "offset_mean_steps", "offset_spread_steps", "swing"} & set(found)


def test_empty_bars():
    hits = groove((0, KICK), (47, SNARE), steps=64).hits > 0.5
    assert descriptors.empty_bars(hits).tolist() == [[False, True, False, True]]


def test_windows_are_whole_bars():
    with pytest.raises(ValueError, match="windows of 20 steps are not whole bars of 16"):
        describe((0, KICK), steps=20)
