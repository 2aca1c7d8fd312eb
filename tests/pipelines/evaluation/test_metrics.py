"""The formulas of the metrics: exact on small arrays, and on Groove what others have found."""

import numpy as np
import pytest

import configs
from grooves import drums
from grooves.groove import Groove
from models import converters
from pipelines.dataset import conversion
from pipelines.evaluation import metrics, registry
from pipelines.examples import loading


def outputs(**more) -> metrics.Outputs:
    """Two examples of which only what is given is known."""
    return metrics.Outputs(performance=np.arange(2), **more)


def groove_of(hits, velocities=0.0, offsets=0.0, qpm=120.0) -> Groove:
    """A groove of hits `[n, steps, 9]` that share one velocity and one offset, or have those given."""
    hits = np.asarray(hits, float)
    return Groove(hits, hits * velocities, hits * offsets, np.full(len(hits), qpm))


def cells(*where, n=1, steps=4) -> np.ndarray:
    """Hits `[n, steps, 9]` at (example, step, drum)."""
    hits = np.zeros([n, steps, 9])
    for cell in where:
        hits[cell] = 1
    return hits


def test_there_is_a_formula_for_each_metric_of_the_registry():
    names = [name for metric in registry.METRICS for name in metrics.names_of(metric)]
    assert list(metrics.FORMULAS) == names
    assert set(metrics._BY_NAME) == set(names)
    assert {"hit_f1_kick", "hit_precision_closed_hi_hat", "hit_recall_ride"} <= set(names)


def test_losses():
    of_examples = {"r_loss": [3.0, 5.0], "kl_loss": [0.0, 2.0], "kl_bits": [60.0, 80.0]}
    given = {name: np.array(values, np.float32) for name, values in of_examples.items()}
    found = metrics.compute(outputs(**given, beta=0.2))
    assert found == {"loss": pytest.approx(4.2), "r_loss": 4.0, "kl_loss": 1.0, "kl_bits": 70.0}


def test_of_nothing_there_are_no_metrics():
    assert metrics.compute(outputs()) == {}


def test_groove_terms_are_means_of_steps_that_count():
    terms = {"hits_loss": np.array([[1.0, 3.0], [5.0, 100.0]]), "offsets_loss": np.zeros([2, 2])}
    found = metrics.compute(outputs(groove_terms=terms, lengths=np.array([2, 1])))
    assert found == {"hits_loss": 3.0, "offsets_loss": 0.0}


def test_token_accuracy_passes_over_padding():
    played = np.array([[4, 5, 6, -1], [7, 8, -1, -1]])
    decoded = {
        metrics.TEACHER_FORCED: np.array([[4, 5, 0, 0], [7, 0, 0, 0]]),
        metrics.TEACHER_FORCED_MEAN: np.array([[4, 5, 6, 0], [7, 8, 0, 0]]),
        metrics.SAMPLED: np.full_like(played, -1),
        metrics.SAMPLED_MEAN: np.where(played == 4, 4, 0),
    }
    assert metrics.compute(outputs(tokens=played, decoded_tokens=decoded)) == {
        "teacher_forced_accuracy": 3 / 5,
        "teacher_forced_accuracy_mean": 1.0,
        "sampled_accuracy": 0.0,
        "sampled_accuracy_mean": 1 / 5,
    }  # Tokens of something that is no drums have no hits.


def test_units_are_active_whose_means_vary_over_the_data():
    means = np.array([[0.0, 1.0, 0.5], [0.3, 1.0, 0.6]])  # Variances 0.0225, 0 and 0.0025.
    assert metrics.compute(outputs(posterior_means=means)) == {"active_units": 1.0}


def test_hits_of_each_drum_and_of_all():
    played = groove_of(cells((0, 0, 0), (0, 1, 0), (0, 2, 1)))
    decoded = groove_of(cells((0, 0, 0), (0, 3, 0), (0, 3, 2)))
    found = metrics.compute(metrics.Outputs(np.zeros(1), groove=played, decoded_groove=decoded))
    hits = {name: value for name, value in found.items() if name.startswith("hit_")}
    assert hits == {
        "hit_f1": pytest.approx(2 / 6),
        "hit_f1_kick": 1 / 2,
        "hit_f1_snare": 0.0,
        "hit_f1_closed_hi_hat": 0.0,
        "hit_precision": pytest.approx(1 / 3),
        "hit_precision_kick": 1 / 2,
        "hit_precision_closed_hi_hat": 0.0,
        "hit_recall": pytest.approx(1 / 3),
        "hit_recall_kick": 1 / 2,
        "hit_recall_snare": 0.0,
    }  # What is neither played nor decoded has no F1.


def test_hits_behind_the_end_do_not_count():
    tokens = np.array([[1, -1]])
    groove, decoded = (metrics.token_hits(np.array([steps])) for steps in ([1, -1], [1, 1]))
    found = metrics.compute(metrics.Outputs(np.zeros(1), tokens=tokens, groove=groove, decoded_groove=decoded))
    assert found["hit_f1"] == 1.0
    played = groove_of(cells((0, 0, 0)))
    more = groove_of(cells((0, 0, 0), (0, 3, 1)))
    for lengths, f1 in ((None, pytest.approx(2 / 3)), (np.array([3]), 1.0)):
        given = metrics.Outputs(np.zeros(1), groove=played, decoded_groove=more, lengths=lengths)
        assert metrics.compute(given)["hit_f1"] == f1


def test_a_step_is_right_where_all_nine_drums_are():
    played, decoded = cells((0, 0, 0), (0, 1, 0), (0, 3, 1)), cells((0, 0, 0), (0, 1, 0), (0, 1, 1))
    given = {"groove": groove_of(played), "decoded_groove": groove_of(decoded)}
    assert metrics.compute(metrics.Outputs(np.zeros(1), **given))["step_accuracy"] == 2 / 4
    shorter = metrics.Outputs(np.zeros(1), **given, lengths=np.array([3]))
    assert metrics.compute(shorter)["step_accuracy"] == 2 / 3


def test_tokens_have_neither_velocities_nor_offsets():
    tokens = np.ones([2, 4], np.int32)
    hits = metrics.token_hits(tokens)
    found = metrics.compute(outputs(tokens=tokens, groove=hits, decoded_groove=hits))
    assert {name.split("_")[0] for name in found} == {"hit"}


def test_token_hits_are_the_bits():
    hits = metrics.token_hits(np.array([[0, 1, 0b100000010, -1]])).hits[0]
    expected = np.zeros([4, 9], bool)
    expected[1, 0] = expected[2, 1] = expected[2, 8] = True
    np.testing.assert_array_equal(hits, expected)


def test_errors_are_over_all_hits_that_were_played_and_over_those_found():
    targets, decoded = np.zeros([2, 1, 2, 27])
    targets[0, 0, [0, 9, 18]] = 1, 0.8, 0.5  # A kick at velocity 0.8, a quarter of a sixteenth early.
    decoded[0, 0, [0, 9, 18]] = 1, 0.5, 0.1
    targets[0, 1, [1, 10, 19]] = 1, 0.6, 0.0  # Not found, but its velocity and offset were decoded.
    decoded[0, 1, [1, 10, 19]] = 0, 0.5, 0.2
    decoded[0, 1, [3, 12, 21]] = 1, 0.9, 0.9  # A hit too many.
    played = Groove.split(targets, np.array([120.0]))
    found = metrics.compute(metrics.Outputs(np.zeros(1), groove=played, decoded_groove=Groove.split(decoded)))
    assert found["velocity_mae"] == pytest.approx((0.3 + 0.1) / 2)
    assert found["velocity_mae_true_positives"] == pytest.approx(0.3)
    # At 120 qpm a sixteenth takes 125 ms and an offset of 1 is half of that.
    assert found["timing_mae_ms"] == pytest.approx((0.4 + 0.2) / 2 * 62.5)
    assert found["timing_mae_ms_true_positives"] == pytest.approx(0.4 * 62.5)
    assert found["timing_mse"] == pytest.approx((0.2**2 + 0.1**2) / 2)
    assert found["timing_mse_true_positives"] == pytest.approx(0.2**2)
    assert found["velocity_spread_data"] == pytest.approx(0.1)
    assert found["velocity_spread"] == pytest.approx(0.2)  # 0.5 and 0.9: of what was decoded as a hit.
    assert found["offset_spread_data"] == pytest.approx(0.25)
    assert found["offset_spread"] == pytest.approx(0.4)


def test_given_the_hits_errors_and_spreads_are_of_what_is_decoded_for_them():
    played, decoded = groove_of(cells((0, 0, 0), (0, 1, 1)), 0.5, 0.2), groove_of(cells((0, 2, 0)), 0.9, 0.9)
    humanized = groove_of(cells((0, 0, 0), (0, 1, 1)), 0.4, -0.1)
    without = metrics.compute(metrics.Outputs(np.zeros(1), groove=played, decoded_groove=decoded))
    found = metrics.compute(
        metrics.Outputs(np.zeros(1), groove=played, decoded_groove=decoded, humanized_groove=humanized)
    )
    given = {name.removesuffix("_given_hits"): value for name, value in found.items() if name not in without}
    expected = metrics.compute(metrics.Outputs(np.zeros(1), groove=played, decoded_groove=humanized))
    assert given == {name: expected[name] for name in given}
    assert given["velocity_mae"] == pytest.approx(0.1)
    assert {"timing_mae_ms", "timing_mse", "velocity_spread", "offset_spread", "velocity_kl", "timing_kl"} < set(given)


def test_the_divergence_is_0_of_the_same_values_and_large_of_their_mean():
    hits = np.ones([1, 4 * 21, 9])
    middles = hits * (np.arange(4 * 21)[:, np.newaxis] // 4 + 0.5) / 21  # Each sixteenth of the beat has all bins.
    played = Groove(hits, middles, middles * 2 - 1)

    def found(decoded: Groove) -> dict[str, float]:
        return metrics.compute(metrics.Outputs(np.zeros(1), groove=played, decoded_groove=decoded))

    same, mean = found(played), found(groove_of(hits, 0.5, 0.0))
    assert (same["velocity_kl"], same["timing_kl"]) == (0, 0)
    even, rest = 1 / 21, 0.99 + 0.01 / 21
    expected = 20 * even * np.log(even / (0.01 / 21)) + even * np.log(even / rest)
    assert mean["timing_kl"] == pytest.approx(expected)
    assert mean["velocity_kl"] == pytest.approx(expected)


def test_the_divergence_tells_sixteenths_apart():
    """Swing put on the wrong sixteenths: the histogram of all hits would be the same."""
    hits = np.zeros([1, 4, 9])
    hits[0, :2, 0] = 1
    late_second, late_first = (np.zeros_like(hits) for _ in range(2))
    late_second[0, 1, 0] = late_first[0, 0, 0] = -0.5
    played, decoded = Groove(hits, hits, late_second), Groove(hits, hits, late_first)
    found = metrics.compute(metrics.Outputs(np.zeros(1), groove=played, decoded_groove=decoded))
    assert found["velocity_kl"] == 0
    assert found["timing_kl"] > 5


def test_nothing_decoded_has_no_spread_and_no_divergence():
    given = {"groove": groove_of(cells((0, 0, 0)), 0.5), "decoded_groove": groove_of(cells())}
    found = metrics.compute(metrics.Outputs(np.zeros(1), **given))
    assert not {"offset_spread", "timing_kl", "velocity_kl", "timing_mae_ms_true_positives"} & set(found)
    assert found["velocity_mae"] == 0.5


def test_quantized_groove_has_the_error_that_others_found(groove_zip, tmp_path):
    """Groove's validation split in two-bar windows, nine drums, the loudest hit of a cell: 22.95 ms, 0.044."""
    conversion.convert(str(groove_zip), tmp_path)
    two_bars = converters.GrooveConverter(
        split_bars=2, steps_per_quarter=4, quarters_per_bar=4, pitch_classes=drums.ROLAND_CLASSES
    )
    config = configs.CONFIG_MAP["groovae_4bar_humanize"]._replace(data_converter=two_bars)
    examples = loading.load(config, "validation", str(tmp_path / "validation.tfrecord"))
    played = Groove.split(examples.dense(np.arange(len(examples)))[1], examples.qpm)
    quantized = Groove(played.hits, played.velocities, np.zeros_like(played.offsets))
    found = metrics.compute(metrics.Outputs(examples.performance, groove=played, decoded_groove=quantized))
    assert found["timing_mae_ms"] == pytest.approx(22.95, abs=0.05)
    assert found["timing_mse"] == pytest.approx(0.044, abs=0.0005)
    assert (found["velocity_mae"], found["hit_f1"]) == (0, 1)
