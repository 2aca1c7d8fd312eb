"""The formulas of the metrics: exact on small arrays."""

import dataclasses

import numpy as np
import pytest

from grooves.groove import Groove
from pipelines.evaluation import metrics, registry


def outputs(**more) -> metrics.Outputs:
    """Two examples of which only what is given is known."""
    return metrics.Outputs(
        r_loss=np.array([3.0, 5.0]), kl_loss=np.array([0.0, 2.0]), kl_bits=np.array([60.0, 80.0]), beta=0.2, **more
    )


def test_there_is_a_formula_for_each_metric_of_the_registry():
    assert list(metrics.FORMULAS) == [metric.name for metric in registry.METRICS]


def test_losses_are_there_for_every_config():
    found = metrics.compute(outputs())
    assert found == {"loss": pytest.approx(4.2), "r_loss": 4.0, "kl_loss": 1.0, "kl_bits": 70.0}


def test_groove_terms_are_means_of_steps():
    terms = {"hits_loss": np.array([[1.0, 3.0]]), "velocities_loss": np.ones([1, 2]), "offsets_loss": np.zeros([1, 2])}
    found = metrics.compute(outputs(groove_terms=terms))
    assert (found["hits_loss"], found["velocities_loss"], found["offsets_loss"]) == (2.0, 1.0, 0.0)


def test_token_accuracy_passes_over_padding():
    played = np.array([[4, 5, 6, -1], [7, 8, -1, -1]])
    given = {"tokens": played, "teacher_forced_tokens": np.array([[4, 5, 0, 0], [7, 0, 0, 0]])}
    sampled = {1.0: np.zeros_like(played), 0.1: np.where(played == 4, 4, 0)}
    found = metrics.compute(outputs(**given, sampled_tokens=sampled))
    assert found["teacher_forced_accuracy"] == 3 / 5
    assert (found["sampled_accuracy"], found["sampled_accuracy_t0.1"]) == (0, 1 / 5)
    assert "hit_f1" not in found  # Tokens of something that is no drums.


def test_hit_f1_of_tokens_is_one_where_both_are_silent():
    tokens = np.zeros([2, 4], np.int32)
    silent = metrics.token_hits(tokens)
    found = metrics.compute(outputs(tokens=tokens, groove=silent, decoded_groove=silent))
    assert found["hit_f1"] == 1.0
    assert not {"velocity_mae", "timing_mae_ms"} & set(found)  # Tokens have neither.
    given = outputs(groove=silent, decoded_groove=silent)
    assert "hit_f1" not in metrics.compute(dataclasses.replace(given, tokens=None))


def test_hit_f1_counts_cells():
    played = np.array([[1, 1, 0, 0]], bool)
    assert metrics.hit_f1(np.array([[1, 0, 1, 0]], bool), played) == 0.5  # 1 of 2 found, 1 of 2 right.
    assert metrics.hit_f1(played, played) == 1.0
    assert metrics.hit_f1(~played, played) == 0.0
    assert metrics.hit_f1(np.zeros([1, 4], bool), np.zeros([1, 4], bool)) == 1.0


def test_token_hits_are_the_bits():
    hits = metrics.token_hits(np.array([[0, 1, 0b100000010, -1]])).hits[0]
    expected = np.zeros([4, 9], bool)
    expected[1, 0] = expected[2, 1] = expected[2, 8] = True
    np.testing.assert_array_equal(hits, expected)


def test_groove_metrics_are_in_ms_and_over_played_hits_alone():
    targets = np.zeros([1, 2, 27], np.float32)
    targets[0, 0, [0, 9, 18]] = 1, 0.8, 0.5  # A kick at velocity 0.8, a quarter of a sixteenth early.
    decoded = np.zeros_like(targets)
    decoded[0, 0, [0, 9, 18]] = 1, 0.5, 0.1
    decoded[0, 1, [3, 12, 21]] = 1, 0.9, 0.9  # A hit too many: counts in F1 alone.
    found = metrics.compute(
        outputs(groove=Groove.split(targets, np.array([120.0])), decoded_groove=Groove.split(decoded))
    )
    assert found["hit_f1"] == pytest.approx(2 / 3)
    assert found["velocity_mae"] == pytest.approx(0.3)
    # At 120 qpm a sixteenth takes 125 ms and an offset of 1 is half of that.
    assert found["timing_mae_ms"] == pytest.approx(0.4 * 62.5)
    assert found["timing_mae_ms_quantized"] == pytest.approx(0.5 * 62.5)
