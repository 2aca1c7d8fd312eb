"""The terms of the loss are what their formulas say."""

import math

import numpy as np
import pytest

import configs
from models import objective
from models.magenta import tf

RNG = np.random.default_rng(0)


def run(tensors):
    with tf.Session() as session:
        return session.run(tensors)


def test_kl_is_that_of_normal_distributions():
    mean, stddev = RNG.normal(size=[3, 5]), RNG.uniform(0.1, 2, [3, 5])
    with tf.Graph().as_default():
        found = run(objective.kl_divergence(tf.constant(mean), tf.constant(stddev)))
        none = run(objective.kl_divergence(tf.zeros([2, 4]), tf.ones([2, 4])))
    grid = np.linspace(-20, 20, 40001)
    density = np.exp(-0.5 * ((grid - mean[..., None]) / stddev[..., None]) ** 2) / stddev[..., None]
    log_ratio = -0.5 * ((grid - mean[..., None]) / stddev[..., None]) ** 2 - np.log(stddev[..., None]) + 0.5 * grid**2
    by_integration = np.trapezoid(density / math.sqrt(2 * math.pi) * log_ratio, grid).sum(axis=-1)
    np.testing.assert_allclose(found, by_integration, rtol=1e-5)
    assert none.tolist() == [0, 0]


def test_free_bits_are_free():
    hparams = configs.with_hparams(configs.CONFIG_MAP["groovae_4bar"], "free_bits=2").hparams
    with tf.Graph().as_default():
        terms = run(objective.kl_terms(tf.constant([1.0, 2 * math.log(2), 4 * math.log(2)]), hparams))
    np.testing.assert_allclose(terms["kl_loss"], [0, 0, 2 * math.log(2)], atol=1e-6)
    np.testing.assert_allclose(terms["kl_bits"], [1 / math.log(2), 2, 4], rtol=1e-6)


@pytest.mark.parametrize(
    ("rate", "step", "expected"), [(0.0, 1, 0.2), (0.0, 0, 0.0), (0.99, 0, 0.0), (0.99, 100, 0.2 * (1 - 0.99**100))]
)
def test_beta_grows_to_its_maximum_as_number_and_as_tensor(rate, step, expected):
    hparams = configs.with_hparams(configs.CONFIG_MAP["groovae_4bar"], f"beta_rate={rate},max_beta=0.2").hparams
    assert objective.beta(hparams, step) == pytest.approx(expected)
    with tf.Graph().as_default():
        assert run(objective.beta(hparams, tf.constant(float(step)))) == pytest.approx(expected, rel=1e-5)


def test_the_terms_of_a_groove_are_cross_entropy_and_squared_errors():
    hits = RNG.integers(0, 2, [2, 3, 9]).astype(np.float32)
    velocities, offsets = RNG.random([2, 3, 9], np.float32), RNG.uniform(-1, 1, [2, 3, 9]).astype(np.float32)
    logits = RNG.normal(size=[2, 3, 27]).astype(np.float32)
    with tf.Graph().as_default():
        terms = run(
            objective.groove_terms(tf.constant(logits), tf.constant(np.concatenate([hits, velocities, offsets], -1)))
        )
    chance, velocity = (1 / (1 + np.exp(-logits[..., part])) for part in (slice(0, 9), slice(9, 18)))
    cross_entropy = -np.log(np.where(hits == 1, chance, 1 - chance))
    np.testing.assert_allclose(terms["hits_loss"], cross_entropy.sum(-1), rtol=1e-5)
    np.testing.assert_allclose(terms["velocities_loss"], np.square(velocities - velocity).sum(-1), rtol=1e-5)
    np.testing.assert_allclose(terms["offsets_loss"], np.square(offsets - np.tanh(logits[..., 18:])).sum(-1), rtol=1e-5)


def test_a_certain_and_wrong_hit_costs_no_infinity():
    targets, logits = np.zeros([1, 27], np.float32), np.full([1, 27], 1000, np.float32)
    with tf.Graph().as_default():
        terms = run(objective.groove_terms(tf.constant(logits), tf.constant(targets)))
    np.testing.assert_allclose(terms["hits_loss"], [-9 * math.log(objective.EPSILON)], rtol=1e-2)


@pytest.mark.parametrize("error", objective.ERRORS)
@pytest.mark.parametrize("silent_weight", [1.0, 0.1])
def test_errors_of_a_groove_may_be_absolute_and_count_silent_drums_less(error, silent_weight):
    hits = RNG.integers(0, 2, [2, 3, 9]).astype(np.float32)
    velocities, offsets = RNG.random([2, 3, 9], np.float32), RNG.uniform(-1, 1, [2, 3, 9]).astype(np.float32)
    logits = RNG.normal(size=[2, 3, 27]).astype(np.float32)
    targets = np.concatenate([hits, velocities, offsets], -1)
    with tf.Graph().as_default():
        usual = run(objective.groove_terms(tf.constant(logits), tf.constant(targets)))
        terms = run(objective.groove_terms(tf.constant(logits), tf.constant(targets), error, silent_weight))
    weights = np.where(hits == 1, 1, silent_weight)
    differences = {
        "velocities": velocities - 1 / (1 + np.exp(-logits[..., 9:18])),
        "offsets": offsets - np.tanh(logits[..., 18:]),
    }
    for name, of in differences.items():
        expected = (weights * (np.square(of) if error == "squared" else np.abs(of))).sum(axis=-1)
        np.testing.assert_allclose(terms[f"{name}_loss"], expected, rtol=1e-5)
    np.testing.assert_array_equal(terms["hits_loss"], usual["hits_loss"])
