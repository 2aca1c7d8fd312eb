"""Baselines: what they answer on small arrays, and on the starter set."""

import numpy as np
import pytest

import configs
from grooves.groove import Groove
from pipelines.evaluation import baselines
from pipelines.examples import loading


def grooves(n: int, seed: int = 0) -> Groove:
    """One of eight beats, here and there changed; a hit is loud on the beat, soft elsewhere, and late after it."""
    rng = np.random.default_rng(seed)
    beats = np.random.default_rng(7).random([8, 16, 9]) < 0.3
    hits = (beats[rng.integers(8, size=n)] ^ (rng.random([n, 16, 9]) < 0.02)).astype(float)
    step = np.arange(16)[:, np.newaxis]
    return Groove(hits, hits * np.where(step % 4 == 0, 0.9, 0.4), hits * np.where(step % 4 == 1, -0.4, 0.0))


def test_baselines_of_tokens():
    train = np.array([[5, 5, 5, -1], [1, 2, 3, 0]])
    played = np.array([[1, 2, 2, 0], [5, 5, -1, -1]])
    answers = dict(baselines.of_tokens(train, played))
    assert list(answers) == ["commonest_token", "silence", "nearest_window"]
    assert (answers["commonest_token"] == 5).all()
    assert (answers["silence"] == 0).all()
    np.testing.assert_array_equal(answers["nearest_window"], train[[1, 0]])
    found = baselines.judge_tokens(train, played, np.array([0, 1]))
    accuracies = {name: of["sampled_accuracy_mean"].value for name, of in found.items()}
    assert accuracies == {"commonest_token": 2 / 6, "silence": 1 / 6, "nearest_window": 5 / 6}
    assert found["silence"]["hit_f1"].value == 0


def test_baselines_of_grooves_keep_the_hits_and_learn_what_there_is_to_learn():
    train, played = grooves(2000), grooves(20, seed=1)
    found = baselines.judge_grooves(train, played, np.arange(20))
    assert list(found) == ["quantized", "linear", "mlp", "knn20"]
    assert all(of["hit_f1"].value == 1 for of in found.values())
    quantized = found.pop("quantized")
    mean = train.velocities[train.hits > 0].mean()
    expected = np.abs(played.velocities - mean)[played.hits > 0].mean()
    assert quantized["velocity_mae"].value == pytest.approx(expected)
    assert quantized["timing_mae_ms"].value == pytest.approx(62.5 * np.abs(played.offsets)[played.hits > 0].mean())
    assert (quantized["offset_spread"].value, quantized["velocity_spread"].value) == (0, pytest.approx(0, abs=1e-6))
    for name, of in found.items():
        assert of["timing_mae_ms"].value < 0.6 * quantized["timing_mae_ms"].value, name
        assert of["velocity_mae"].value < 0.6 * quantized["velocity_mae"].value, name


def test_the_same_data_give_the_same_answers():
    train, played = grooves(50), grooves(5, seed=1)
    first, second = (dict(baselines.of_grooves(train, played.hits)) for _ in range(2))
    for name, answer in first.items():
        np.testing.assert_array_equal(answer.join(), second[name].join(), name)


def test_neighbours_answer_the_mean_of_those_with_a_hit_there(monkeypatch):
    monkeypatch.setattr(baselines, "NUM_NEIGHBOURS", 2)
    hits = np.zeros([3, 2, 9])
    hits[:, 0, 0] = 1
    hits[2, :, 0] = hits[2, :, 1] = 1
    velocities = hits * np.array([0.2, 0.4, 0.9])[:, np.newaxis, np.newaxis]
    train = Groove(hits, velocities, velocities / 2)
    asked = np.zeros([1, 2, 9])
    asked[0, 0, 0] = asked[0, 1, 0] = 1  # The first two windows are nearest: neither has a hit on the second step.
    answer = dict(baselines.of_grooves(train, asked))["knn2"]
    assert answer.velocities[0, 0, 0] == pytest.approx(0.3)
    assert answer.velocities[0, 1, 0] == pytest.approx((0.2 + 0.4 + 0.9 + 0.9) / 4)  # The mean of the drum.
    np.testing.assert_allclose(answer.offsets, answer.velocities / 2)
    assert answer.velocities.sum() == answer.velocities[asked > 0].sum()


def test_a_config_of_something_else_has_none(starter_records):
    config = configs.CONFIG_MAP["nade-drums_2bar_full"]
    examples = loading.load(config, "validation", str(starter_records / "validation.tfrecord"))
    with pytest.raises(ValueError, match=r"no baselines.*hier-drums_4bar_small"):
        baselines.judge(config, examples, examples)
