"""Random numbers follow from seed, step and place in the graph, and have the distributions that are asked for."""

from __future__ import annotations

import numpy as np
import pytest

from models.magenta import tf
from models.stateless_random import StatelessRandom
from tests.beside_magenta import SIZES, WITHOUT_DROPOUT, compute, draw_losses, same_noise


def draw(function, step=3, seed=1, **examples):
    """Returns what `function` draws at a step, evaluated once."""
    with tf.Graph().as_default(), tf.Session() as session:
        return session.run(function(StatelessRandom(seed, tf.constant(step, tf.int64), **examples)))


def test_numbers_follow_from_seed_step_time_and_place():
    def uniform(random):
        return random.uniform([5])

    np.testing.assert_array_equal(draw(uniform), draw(uniform))
    others = [draw(uniform, step=4), draw(uniform, seed=2), draw(lambda random: random.uniform([5], time=1))]
    others.append(draw(lambda random: [uniform(random), uniform(random)][1]))
    assert all(not np.intersect1d(draw(uniform), other).size for other in others)


def test_masks_of_a_sequences_steps_are_drawn_for_each():
    first, second = (draw(lambda random, t=time: random.dropout(tf.ones([9, 50]), 0.5, time=t)) for time in (0, 1))
    in_a_loop = draw(lambda random: random.dropout(tf.ones([9, 50]), 0.5, time=tf.constant(1)))
    np.testing.assert_array_equal(in_a_loop, second)
    assert 0.4 < (first == second).mean() < 0.6


DRAWS = {
    "uniform": lambda random, num: random.uniform([num, 7], time=2),
    "of bars": lambda random, num: random.uniform([num * 4, 3]),
    "normal": lambda random, num: random.normal([num, 5]),
    "dropout of a step": lambda random, num: random.dropout(tf.ones([num, 9]), 0.5, time=3),
    "flips": lambda random, num: random.coin_flips([num, 27], 0.5),
    "flips of steps": lambda random, num: tf.transpose(random.coin_flips([25, num], 0.5, axis=1)),
    "masks": lambda random, num: tf.transpose(random.dropout_mask([3, 2, num, 9], 0.5, axis=2), [2, 0, 1, 3]),
    "the second draw": lambda random, num: [random.normal([num, 3]), random.normal([num, 3])][1],
}


@pytest.mark.parametrize("name", DRAWS)
def test_an_example_is_drawn_the_same_for_wherever_the_batch_is_cut(name):
    whole = draw(lambda random: DRAWS[name](random, 10), num=10)
    parts = [
        draw(lambda random, num=num: DRAWS[name](random, num), first=first, num=num)
        for first, num in ((0, 3), (3, 1), (4, 6))
    ]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    rows = whole.reshape([10, -1])
    assert len(np.unique(rows, axis=0)) == 10
    np.testing.assert_array_equal(draw(lambda random: DRAWS[name](random, 10)), whole)


def test_draws_of_examples_and_steps_have_nothing_in_common():
    """Were counters used twice, numbers would come back in another example, step or draw."""
    uniform = [lambda random: random.uniform([50, 6]), lambda random: random.uniform([50, 6], 1)]
    found = [draw(function, step=step) for step in (1, 2) for function in uniform]
    found.append(draw(lambda random: [random.uniform([50, 6]), random.uniform([50, 6])][1], step=1))
    numbers = np.concatenate([each.ravel() for each in found])
    assert len(np.unique(numbers)) > 0.999 * len(numbers)
    assert numbers.mean() == pytest.approx(0.5, abs=0.03)
    assert np.abs(np.corrcoef([each.ravel() for each in found])[np.triu_indices(5, 1)]).max() < 0.2


def test_without_a_seed_no_two_draws_are_the_same():
    with tf.Graph().as_default(), tf.Session() as session:
        drawn = StatelessRandom().uniform([5])
        assert not np.array_equal(session.run(drawn), session.run(drawn))


@pytest.mark.parametrize("probability", [0.0, 0.3, 0.999999])
def test_coins_fall_as_often_as_is_asked_for(probability):
    flips = draw(lambda random: random.coin_flips([99, 101], probability))
    assert flips.shape == (99, 101)
    assert flips.mean() == pytest.approx(probability, abs=0.02)


def test_dropout_keeps_the_mean():
    dropped = draw(lambda random: random.dropout(tf.fill([100, 100], 3.0), 0.3))
    np.testing.assert_allclose(np.unique(dropped), [0, 10])
    assert dropped.mean() == pytest.approx(3, rel=0.1)
    assert draw(lambda random: random.dropout(tf.ones([2]), 1.0)).tolist() == [1, 1]


@pytest.mark.parametrize("name", ["hier-drums_4bar_small", "groovae_4bar"])
def test_noise_is_a_function_of_seed_and_step(name, monkeypatch):
    with same_noise(monkeypatch):
        values = compute(name, f"{SIZES},{WITHOUT_DROPOUT}", None, stock=True).values
    first, second = (draw_losses(name, values, stock=False, is_training=True, count=4) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert len(set(first)) == 4
