"""What chance does to a metric: performances are drawn, not windows."""

import numpy as np
import pytest

from grooves.groove import Groove
from pipelines.evaluation import estimates, metrics


def losses_of(performance, values) -> metrics.Outputs:
    values = np.asarray(values, float)
    return metrics.Outputs(np.asarray(performance), r_loss=values, kl_loss=values, kl_bits=values)


def test_long_performances_weigh_most_over_all_windows_and_the_same_in_the_mean():
    found = estimates.estimate(losses_of([7, 7, 7, 2], [1.0, 1.0, 1.0, 5.0]))["r_loss"]
    assert (found.value, found.per_performance) == (2.0, 3.0)


def test_one_performance_has_no_intervals():
    found = estimates.estimate(losses_of([3, 3], [1.0, 2.0]))["r_loss"]
    assert found == estimates.Estimate(1.5, None, 1.5, None)
    assert found.flat("r_loss") == {"r_loss": 1.5, "r_loss_per_performance": 1.5}


def test_intervals_are_those_of_the_mean_of_independent_performances():
    """Of 100 normal values the mean's interval is 1.96 standard errors to each side; ten windows each change nothing.

    Were windows drawn, it would be three times as narrow.
    """
    values = np.random.default_rng(0).standard_normal(100)
    found = estimates.estimate(losses_of(np.repeat(np.arange(100), 10), np.repeat(values, 10)))["r_loss"]
    error = values.std() / 10
    expected = values.mean() - 1.96 * error, values.mean() + 1.96 * error
    assert found.interval == pytest.approx(expected, abs=0.1 * error)
    assert found.per_performance_interval == pytest.approx(found.interval)


def test_the_same_outputs_have_the_same_intervals():
    outputs = losses_of([0, 1, 2], [1.0, 2.0, 4.0])
    assert estimates.estimate(outputs) == estimates.estimate(outputs)


def test_performances_without_a_value_are_left_out_of_the_mean():
    hits = np.zeros([3, 1, 9])
    hits[0, 0, 0] = 1  # The second performance is silent and decoded as silence: it has no F1.
    hits[2, 0, 1] = 1
    decoded = np.zeros_like(hits)
    decoded[0, 0, 0] = decoded[2, 0, 0] = 1
    played, decoded = (Groove(part, part, np.zeros_like(part)) for part in (hits, decoded))
    found = estimates.estimate(metrics.Outputs(np.arange(3), groove=played, decoded_groove=decoded))
    assert found["hit_f1"].value == 0.5
    assert found["hit_f1"].per_performance == 0.5
    assert "hit_f1_ride" not in found


def test_active_units_are_not_of_one_performance():
    means = np.array([[0.0], [2.0], [4.0]])
    found = estimates.estimate(metrics.Outputs(np.arange(3), posterior_means=means))["active_units"]
    assert (found.value, found.per_performance) == (1.0, None)
    assert set(found.flat("active_units")) == {"active_units", "active_units_low", "active_units_high"}


def test_flat_names():
    found = estimates.Estimate(0.5, (0.25, 0.75), 0.5, (0.125, 1.0))
    assert estimates.flat({"hit_f1": found}) == {
        "hit_f1": 0.5,
        "hit_f1_low": 0.25,
        "hit_f1_high": 0.75,
        "hit_f1_per_performance": 0.5,
        "hit_f1_per_performance_low": 0.125,
        "hit_f1_per_performance_high": 1.0,
    }


def test_rows_of_a_table():
    found = {"loss": estimates.Estimate(2.0, (1.0, 3.0), 2.5, (2.0, 3.0)), "active_units": estimates.Estimate(7.0)}
    assert list(estimates.rows(found))[1:] == [
        ("loss", "2.0000", "1.0000 to 3.0000", "2.5000", "2.0000 to 3.0000"),
        ("active_units", "7.0000", "", "", ""),
    ]
