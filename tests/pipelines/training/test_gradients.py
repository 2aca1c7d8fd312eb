"""Gradients: their sum over towers and where it is computed, and how they are clipped."""

import numpy as np
import pytest

from models.magenta import HParams, tf
from pipelines.training import gradients, machine, placement
from pipelines.training.placement import COPY, NCCL, RING, Tower

HERE_TOWERS = [Tower("", 0, 2), Tower("", 2, 3)]


def hparams(**values) -> HParams:
    return HParams(**{"clip_mode": "global_norm", "grad_clip": 1.0, "grad_norm_clip_to_zero": 10.0} | values)


@pytest.mark.parametrize("mode", ["", "norm", "global-norm", "None"])
def test_unknown_modes_are_refused(mode):
    with pytest.raises(ValueError, match=f"^hparam clip_mode='{mode}'; accepted: value, global_norm$"):
        gradients.check(hparams(clip_mode=mode))
    for known in gradients.CLIP_MODES:
        gradients.check(hparams(clip_mode=known))


def of_towers(devices: list[str], holders: list[str]) -> tuple[list, list[Tower], list]:
    """Returns gradients of two variables, `[2]` and `[2, 2]`: those of tower k are ones and twos, times 10 to the k."""
    towers = [Tower(device, number, 1) for number, device in enumerate(devices)]
    variables = []
    for shape, holder in zip(([2], [2, 2]), holders, strict=True):
        with tf.device(holder):
            variables.append(tf.get_variable(f"v{len(shape)}", shape, initializer=tf.zeros_initializer()))
    parts = []
    for number, tower in enumerate(towers):
        with tf.device(tower.device):
            parts.append([tf.fill(each.shape, k * 10.0**number) for k, each in enumerate(variables, start=1)])
    return parts, towers, variables


@pytest.mark.parametrize("algorithm", [COPY, RING])
def test_the_total_is_the_sum_over_the_towers(algorithm):
    where = placement.of_cpu_devices(3)
    with tf.Graph().as_default(), tf.Session(config=machine.session_settings(where)) as session:
        parts, towers, variables = of_towers(list(where.devices), list(where.devices[:2]))
        found = gradients.total(parts, towers, variables, algorithm)
        assert [gradient.device for gradient in found] == ["/device:CPU:0", "/device:CPU:1"]
        np.testing.assert_array_equal(session.run(found[0]), np.full([2], 111))
        np.testing.assert_array_equal(session.run(found[1]), np.full([2, 2], 222))


def test_one_towers_gradients_are_the_total():
    with tf.Graph().as_default():
        parts, towers, variables = of_towers([""], ["", ""])
        before = len(tf.get_default_graph().get_operations())
        assert gradients.total(parts, towers, variables) == parts[0]
        assert len(tf.get_default_graph().get_operations()) == before


def machine_of(tensor: tf.Tensor) -> str:
    return Tower(tensor.device, 0, 1).machine


def test_one_gradient_a_machine_goes_over_the_network():
    devices = [f"/job:worker/task:{task}/device:GPU:{gpu}" for task in (0, 1, 2) for gpu in (0, 1)]
    holders = ["/job:ps/task:0/device:CPU:0", "/job:worker/task:1/device:GPU:0"]
    with tf.Graph().as_default():
        parts, towers, variables = of_towers(devices, holders)
        found = gradients.total(parts, towers, variables)
        for number, (gradient, holder) in enumerate(zip(found, holders, strict=True)):
            assert gradient.device == holder
            partial = list(gradient.op.inputs)
            assert [machine_of(each) for each in partial] == [f"/job:worker/task:{task}" for task in (0, 1, 2)]
            for task, each in enumerate(partial):
                assert [(part.device, part) for part in each.op.inputs] == [
                    (devices[tower], parts[tower][number]) for tower in (2 * task, 2 * task + 1)
                ]


def test_what_a_machine_adds_up_is_added_where_the_variable_lies_or_by_its_devices_in_turn():
    devices = [f"/job:worker/task:{task}/device:GPU:{gpu}" for task in (0, 1) for gpu in (0, 1)]
    holders = [devices[1], "/job:ps/task:0/device:CPU:0"]
    with tf.Graph().as_default():
        parts, towers, variables = of_towers(devices, holders)
        adding = [[each.device for each in found.op.inputs] for found in gradients.total(parts, towers, variables)]
    assert adding == [[devices[1], devices[2]], [devices[1], devices[3]]]


@pytest.mark.parametrize("algorithm", [RING, NCCL])
def test_an_all_reduce_is_one_message_a_tower_among_those_of_its_machine(algorithm):
    devices = [f"/job:worker/task:{task}/device:GPU:{gpu}" for task in (0, 1) for gpu in (0, 1)]
    with tf.Graph().as_default() as graph:
        parts, towers, variables = of_towers([*devices, "/job:worker/task:2/device:GPU:0"], devices[1:3])
        found = gradients.total(parts, towers, variables, algorithm)
        messages = [each for each in graph.get_operations() if each.type == "CollectiveReduce"]
        senders = [[each.device for each in gradient.op.inputs] for gradient in found]
    assert [each.device for each in messages] == devices  # A machine of one device has nothing to reduce.
    assert [each.get_attr("group_key") for each in messages] == [1, 1, 2, 2]
    assert {each.get_attr("communication_hint") for each in messages} == {algorithm.encode()}
    assert {each.get_attr("group_size") for each in messages} == {2}
    assert senders == [
        [device, near, "/job:worker/task:2/device:GPU:0"] for device, near in (devices[1:3], devices[1:3])
    ]


def test_a_tower_a_machine_sends_its_gradient_as_it_is():
    devices = [f"/job:worker/task:{task}/device:CPU:0" for task in (0, 1)]
    with tf.Graph().as_default():
        parts, towers, variables = of_towers(devices, devices)
        found = gradients.total(parts, towers, variables)
        assert [list(gradient.op.inputs) for gradient in found] == [list(pair) for pair in zip(*parts, strict=True)]
        assert [gradient.device for gradient in found] == devices


def clipped(values: list, **changed) -> tuple[list[np.ndarray], float]:
    """Returns gradients of these values clipped, and their norm before."""
    with tf.Graph().as_default(), tf.Session() as session:
        given = [tf.constant(value, tf.float32) for value in values]
        return session.run(gradients.clipped(given, hparams(**changed)))


def by_tensorflow(values: list, norm: float) -> list[np.ndarray]:
    with tf.Graph().as_default(), tf.Session() as session:
        return session.run(tf.clip_by_global_norm([tf.constant(value, tf.float32) for value in values], norm)[0])


@pytest.mark.parametrize("scale", [0, 1e-20, 0.01, 0.1, 1, 1.9])  # Of a norm of 5.
def test_gradients_are_scaled_down_as_tensorflow_does(scale):
    values = [np.array([3.0, 0.0]) * scale, np.array([[-4.0]]) * scale]
    found, norm = clipped(values)
    assert norm == pytest.approx(5 * scale)
    for ours, theirs in zip(found, by_tensorflow(values, 1.0), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    small = scale * 5 <= 1
    np.testing.assert_allclose(found[0], values[0] if small else [0.6, 0], rtol=1e-6)
    np.testing.assert_allclose(found[1], values[1] if small else [[-0.8]], rtol=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38, 10.0, 11.0])
@pytest.mark.parametrize("other", [0.0, 2.0])
def test_a_norm_that_is_no_number_or_too_large_leaves_zeros(value, other):
    found, norm = clipped([[value, other], [[other]]])
    assert not norm < 10
    for gradient in found:
        np.testing.assert_array_equal(gradient, np.zeros_like(gradient))


def test_a_norm_just_below_the_limit_is_kept():
    found, norm = clipped([[9.99]])
    assert norm == pytest.approx(9.99)
    assert found[0] == pytest.approx([1.0])


def test_clipping_by_value_clips_each_number():
    found, norm = clipped([[30.0, -0.5], [[-40.0]]], clip_mode="value")
    np.testing.assert_array_equal(found[0], [1.0, -0.5])
    np.testing.assert_array_equal(found[1], [[-1.0]])
    assert norm == pytest.approx(50, rel=1e-3)  # Which does not drop it.


AT_ONCE = [np.float32([[3, 0], [0, 1]]), np.float32([-1, 2, 0]), np.float32([1])]  # Their norm is 4.


def at_once(values: list, **changed) -> tuple[list[np.ndarray], float]:
    """Does what `clipped` does, by way of one vector."""
    with tf.Graph().as_default(), tf.Session() as session:
        given = [tf.constant(value, tf.float32) for value in values]
        return session.run(gradients.clipped(given, hparams(**changed), at_once=True))


@pytest.mark.parametrize(("grad_clip", "factor"), [(1.0, 0.25), (8.0, 1.0)])
def test_as_one_vector_they_are_scaled_the_same(grad_clip, factor):
    found, norm = at_once(AT_ONCE, grad_clip=grad_clip)
    assert norm == 4
    for gradient, value, other in zip(found, AT_ONCE, clipped(AT_ONCE, grad_clip=grad_clip)[0], strict=True):
        np.testing.assert_array_equal(gradient, value * np.float32(factor))
        np.testing.assert_array_equal(gradient, other)


@pytest.mark.parametrize("spoilt", [np.nan, np.inf, 1e3])
def test_as_one_vector_what_is_too_large_or_no_number_is_dropped(spoilt):
    found, norm = at_once([*AT_ONCE[:2], np.float32([spoilt])])
    assert not norm < 10
    assert [gradient.shape for gradient in found] == [(2, 2), (3,), (1,)]
    assert not any(gradient.any() for gradient in found)


def test_as_one_vector_values_are_clipped_the_same():
    found, norm = at_once(AT_ONCE, clip_mode="value", grad_clip=1.5)
    assert norm == 4
    np.testing.assert_array_equal(found[0], [[1.5, 0], [0, 1]])
    np.testing.assert_array_equal(found[1], [-1, 1.5, 0])
