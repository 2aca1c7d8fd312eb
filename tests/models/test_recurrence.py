"""Layers over whole sequences compute the same in steps and at once, whatever goes in."""

from __future__ import annotations

import numpy as np
import pytest

from models import precision, recurrence
from models.magenta import tf
from tests.beside_magenta import SIZES, SOME, WITHOUT_DROPOUT, check, is_drums, same_noise

STEPS, BATCH, UNITS, NUM_TOKENS = 6, 3, 4, 5
LENGTHS = [6, 0, 2]


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.5, shape).astype(np.float32)


def compute(parts: set[str], directions: int, layers: str, last: bool) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Returns a layer's outputs, or its last ones, and the gradients of all that has one."""
    depths = {"tokens": NUM_TOKENS, "data": 2, "dense": 3, "constant": 2}
    depth = sum(depths[part] for part in parts)
    with tf.Graph().as_default(), tf.Session() as session:
        arrays = {
            "kernel": tf.constant(normal(0, directions, depth + UNITS, 4 * UNITS)),
            "bias": tf.constant(normal(1, directions, 4 * UNITS)),
            "c": tf.constant(normal(2, directions, BATCH, UNITS)),
            "h": tf.constant(normal(3, directions, BATCH, UNITS)),
        }
        inputs = recurrence.Inputs(
            tokens=tf.constant([[0, -1, 4]] * (STEPS - 1) + [[2, 2, -1]]) if "tokens" in parts else None,
            data=tf.constant(normal(4, STEPS, directions, BATCH, 2)) if "data" in parts else None,
            dense=tf.constant(normal(5, STEPS, directions, BATCH, 3)) if "dense" in parts else None,
            constant=tf.constant(normal(6, BATCH, 2)) if "constant" in parts else None,
        )
        arrays |= {name: getattr(inputs, name) for name in parts & {"dense", "constant"}}
        layer, state = recurrence.Layer(arrays["kernel"], arrays["bias"]), (arrays["c"], arrays["h"])
        how = recurrence.Computation(tf.float32, layers)
        if last:
            found = recurrence.last_output(layer, inputs, state, tf.constant(LENGTHS), how)
        else:
            found = recurrence.outputs([layer], inputs, [state], how)
        gradients = tf.gradients(tf.reduce_sum(found * normal(7, *found.shape)), list(arrays.values()))
        return session.run((found, dict(zip(arrays, gradients, strict=True))))


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize(
    ("parts", "directions"),
    [({"data"}, 2), ({"dense"}, 2), ({"tokens", "constant"}, 1), ({"tokens", "data", "dense", "constant"}, 1)],
)
def test_steps_compute_what_one_operation_does(parts, directions, last):
    """TensorFlow's own BlockLSTM and its gradient are the reference."""
    found, gradients = compute(parts, directions, layers=recurrence.STEPS, last=last)
    expected, expected_gradients = compute(parts, directions, layers=recurrence.BLOCK, last=last)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    for name, gradient in gradients.items():
        np.testing.assert_allclose(gradient, expected_gradients[name], atol=1e-5, err_msg=name)


def test_the_last_output_of_an_empty_sequence_is_its_state():
    found, _ = compute({"data"}, 2, layers=recurrence.STEPS, last=True)
    np.testing.assert_array_equal(found[:, 1], normal(3, 2, BATCH, UNITS)[:, 1])


@pytest.mark.parametrize("name", SOME)
def test_a_gpus_path_computes_the_same(name, monkeypatch):
    monkeypatch.setattr(precision, "computation", lambda *_: recurrence.Computation(tf.float32, recurrence.BLOCK))
    with same_noise(monkeypatch):
        check(name, f"{SIZES},{WITHOUT_DROPOUT}", as_tokens=is_drums(name))
