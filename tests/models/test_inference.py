"""A trained model encodes and decodes the same, however it is batched."""

import numpy as np

from tests.tiny import model_of


def test_encoding_does_not_depend_on_the_batch(tiny_runs):
    rolls = (np.random.default_rng(0).random([5, 64, 10]) < 0.2).astype(np.float32)
    arguments = rolls, np.full([5], 64), np.zeros([5, 64, 0])
    by_two, by_five = (model_of(tiny_runs["hier-drums_4bar_small"], 1, n).encode(*arguments) for n in (2, 5))
    assert by_two.shape == (5, 4)
    np.testing.assert_allclose(by_two, by_five, rtol=1e-4, atol=1e-6)
