"""Sequences as tokens, one-hot, one step late and steps first."""

import numpy as np
import pytest

from models import sequences
from models.magenta import tf

TOKENS = np.array([[2, -1, 0], [1, 1, 2]], np.int32)
ONE_HOT = np.eye(4, dtype=np.float32)[TOKENS][..., :3]  # -1 is a row of zeros.


def run(function, *arguments):
    with tf.Graph().as_default(), tf.Session() as session:
        return session.run(function(*map(tf.constant, arguments)))


@pytest.mark.parametrize("given", [TOKENS, ONE_HOT])
def test_tokens_and_one_hot_are_each_others(given):
    np.testing.assert_array_equal(run(sequences.as_tokens, given), TOKENS)
    np.testing.assert_array_equal(run(lambda tensor: sequences.as_one_hot(tensor, 3), given), ONE_HOT)


def test_inputs_are_targets_one_step_late():
    np.testing.assert_array_equal(run(sequences.one_step_late, TOKENS), [[-1, 2, -1], [-1, 1, 1]])
    late = run(sequences.one_step_late, ONE_HOT)
    assert not late[:, 0].any()
    np.testing.assert_array_equal(late[:, 1:], ONE_HOT[:, :-1])


def test_time_comes_first():
    np.testing.assert_array_equal(run(sequences.time_major, ONE_HOT), ONE_HOT.swapaxes(0, 1))


def test_hits_of_tokens_and_of_grooves():
    tokens = np.array([[0b101, -1], [0, 0b100000000]], np.int32)
    hits = run(sequences.hits_of, tokens)
    assert hits.shape == (2, 2, 9)
    assert [np.flatnonzero(step).tolist() for step in hits.reshape(4, 9)] == [[0, 2], [], [], [8]]
    groove = np.random.default_rng(0).random([2, 3, 27], np.float32)
    np.testing.assert_array_equal(run(sequences.hits_of, groove), groove[..., :9])
