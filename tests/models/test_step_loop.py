"""One step of the loop: its gradient, and what is looked up in it. `test_recurrence` has whole loops."""

from __future__ import annotations

import numpy as np

from models import step_loop
from models.magenta import tf

ROWS, UNITS = 3, 4


def test_the_gradient_of_a_step_is_what_tensorflow_derives():
    rng = np.random.default_rng(0)
    with tf.Graph().as_default(), tf.Session() as session:
        product, c, added = (
            tf.constant(rng.normal(size=shape), tf.float32)
            for shape in ([4, ROWS, UNITS], [ROWS, UNITS], [ROWS, 4, UNITS])
        )
        c_gradient, h_gradient = (tf.constant(rng.normal(size=[ROWS, UNITS]), tf.float32) for _ in range(2))
        derived = tf.gradients(step_loop._cell(product, c, [added]), [added, c], [c_gradient, h_gradient])
        halves = [h_gradient / 2, h_gradient / 2]
        computed = step_loop._cell_gradient(product, c, c_gradient, halves, [added])
        for ours, theirs in zip(*session.run((computed, derived)), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_token_minus_one_adds_nothing():
    with tf.Graph().as_default(), tf.Session() as session:
        arrays = {"c": tf.zeros([1, 2, UNITS]), "h": tf.zeros([1, 2, UNITS]), "kernel": tf.zeros([1, UNITS, 4 * UNITS])}
        arrays |= {"table": tf.ones([5, 4 * UNITS]), "constant": tf.zeros([1, 2, 4 * UNITS])}
        layer = step_loop.StepLayer(arrays, tf.float32, tokens=tf.constant([[4, -1]]))
        looked_up, _ = session.run(layer.added(tf.constant(0)))
    assert looked_up.reshape(2, -1).sum(axis=1).tolist() == [4 * UNITS, 0]
