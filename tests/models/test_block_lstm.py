"""A layer as one operation: what TensorFlow's BlockLSTM computes for each direction, and the same gradients."""

from __future__ import annotations

import numpy as np
import pytest

from models import block_lstm
from models.magenta import tf

STEPS, BATCH, DEPTH, UNITS, FORGET_BIAS = 5, 3, 2, 4, 1.0


def normal(seed: int, *shape: int) -> tf.Tensor:
    return tf.constant(np.random.default_rng(seed).normal(0, 0.5, shape).astype(np.float32))


def reference(data, kernel, bias, state, forget_bias):
    """TensorFlow's own, one direction after the other."""
    nothing = tf.zeros([UNITS])
    made = [
        tf.raw_ops.BlockLSTM(
            **{"seq_len_max": STEPS, "x": data[:, each], "cs_prev": state[0][each], "h_prev": state[1][each]},
            **{"w": kernel[each], "b": bias[each], "forget_bias": forget_bias, "cell_clip": -1.0},
            **{"wci": nothing, "wcf": nothing, "wco": nothing, "use_peephole": False},
        ).h
        for each in range(kernel.shape[0])
    ]
    return tf.stack(made, axis=1)


@pytest.mark.parametrize("directions", [1, 2, 3])
def test_outputs_and_gradients_are_tensorflows(directions):
    found = []
    with tf.Graph().as_default(), tf.Session() as session:
        data = normal(0, STEPS, directions, BATCH, DEPTH)
        kernel, bias = normal(1, directions, DEPTH + UNITS, 4 * UNITS), normal(2, directions, 4 * UNITS)
        state = normal(3, directions, BATCH, UNITS), normal(4, directions, BATCH, UNITS)
        for way in (block_lstm.outputs, reference):
            made = way(data, kernel, bias, state, FORGET_BIAS)
            weighted = tf.reduce_sum(made * normal(5, STEPS, directions, BATCH, UNITS))
            found.append(session.run([made, *tf.gradients(weighted, [data, kernel, bias, *state])]))
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_the_gates_gradient_of_a_step_is_one_operation_for_all_directions():
    with tf.Graph().as_default() as graph:
        data, kernel = normal(0, STEPS, 2, BATCH, DEPTH), normal(1, 2, DEPTH + UNITS, 4 * UNITS)
        state = normal(3, 2, BATCH, UNITS), normal(4, 2, BATCH, UNITS)
        tf.gradients(block_lstm.outputs(data, kernel, normal(2, 2, 4 * UNITS), state, FORGET_BIAS), kernel)
        types = [operation.type for operation in graph.get_operations()]
    assert types.count("BlockLSTM") == 2
    assert types.count("BlockLSTMGrad") == 0
    assert types.count("LSTMBlockCellGrad") == STEPS
