"""Gradients: added up over the towers, and clipped as Magenta does, one by one or as one vector."""

from __future__ import annotations

import numpy as np
import pytest

from models.magenta import HParams, tf
from pipelines.training import gradients
from pipelines.training.placement import Tower

VALUES = [np.float32([[3, 0], [0, 1]]), np.float32([-1, 2, 0]), np.float32([1])]  # Their norm is 4.


def clipped(values, *, at_once: bool, **hparams) -> tuple[list[np.ndarray], float]:
    chosen = {"clip_mode": "global_norm", "grad_clip": 1.0, "grad_norm_clip_to_zero": 100.0} | hparams
    with tf.Graph().as_default(), tf.Session() as session:
        return session.run(gradients.clipped([tf.constant(v) for v in values], HParams(**chosen), at_once=at_once))


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize(("grad_clip", "factor"), [(1.0, 0.25), (8.0, 1.0)])
def test_gradients_are_scaled_down_to_a_norm(at_once, grad_clip, factor):
    found, norm = clipped(VALUES, at_once=at_once, grad_clip=grad_clip)
    assert norm == 4
    for gradient, value in zip(found, VALUES, strict=True):
        np.testing.assert_array_equal(gradient, value * np.float32(factor))


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize("spoilt", [np.nan, np.inf, 1e3])
def test_what_is_too_large_or_no_number_is_dropped(at_once, spoilt):
    found, norm = clipped([*VALUES[:2], np.float32([spoilt])], at_once=at_once)
    assert not norm < 100
    assert [gradient.shape for gradient in found] == [(2, 2), (3,), (1,)]
    assert not any(gradient.any() for gradient in found)


def test_as_one_vector_they_are_the_same():
    rng = np.random.default_rng(0)
    values = [rng.normal(size=shape).astype(np.float32) for shape in ([30, 50], [7], [3, 4, 5])]
    one_by_one, at_once = (clipped(values, at_once=each) for each in (False, True))
    assert at_once[1] == pytest.approx(one_by_one[1], rel=1e-6)
    for first, second in zip(one_by_one[0], at_once[0], strict=True):
        np.testing.assert_allclose(first, second, rtol=1e-6)
    one_by_one, at_once = (clipped(values, at_once=each, grad_clip=99.0)[0] for each in (False, True))
    for first, second in zip(one_by_one, at_once, strict=True):  # Nothing has to be scaled down.
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("at_once", [False, True])
def test_by_value_each_number_is_clipped(at_once):
    found, norm = clipped(VALUES, at_once=at_once, clip_mode="value", grad_clip=1.5)
    assert norm == 4
    np.testing.assert_array_equal(found[0], [[1.5, 0], [0, 1]])
    np.testing.assert_array_equal(found[1], [-1, 1.5, 0])


def test_gradients_of_towers_are_added_up():
    towers = [Tower("/device:CPU:0", 0, 2), Tower("/device:CPU:0", 2, 2)]
    with tf.Graph().as_default(), tf.Session() as session:
        variables = [tf.get_variable("v", [2]), tf.get_variable("w", [])]
        parts = [[tf.constant([1.0, 2.0]), tf.constant(3.0)], [tf.constant([10.0, 20.0]), tf.constant(30.0)]]
        vector, number = session.run(gradients.total(parts, towers, variables))
    assert (vector.tolist(), number) == ([11, 22], 33)


def test_an_unknown_way_to_clip_is_refused():
    with pytest.raises(ValueError, match="clip_mode='none'; accepted: value, global_norm"):
        gradients.check(HParams(clip_mode="none"))
