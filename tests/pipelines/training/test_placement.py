"""Where a step is computed: how a batch is cut, and who holds what."""

from __future__ import annotations

import pytest

from models.magenta import tf
from pipelines.training import placement
from pipelines.training.placement import Placement, Tower


@pytest.mark.parametrize(
    ("num", "batch_size", "expected"),
    [(1, 5, [(0, 5)]), (2, 5, [(0, 2), (2, 3)]), (3, 2, [(0, 1), (1, 1)])],
)
def test_a_batch_is_cut_into_parts_of_nearly_one_size(num, batch_size, expected):
    towers = placement.of_cpu_devices(num).towers(batch_size)
    assert [(tower.first, tower.size) for tower in towers] == expected


def test_one_device_is_wherever_tensorflow_computes():
    assert placement.of_gpus(1) == placement.of_cpu_devices(1) == placement.HERE
    assert placement.HERE.devices == ("",)
    assert placement.HERE.with_variables("") == ""


def test_a_towers_machine_is_its_process():
    assert Tower("/job:worker/task:1/device:GPU:0", 0, 1).machine == "/job:worker/task:1"
    assert Tower("/device:GPU:0", 0, 1).machine == ""


def test_variables_are_shared_out_and_what_is_within_another_device_goes_there():
    where = placement.of_gpus(2)
    with tf.Graph().as_default(), tf.device(where.with_variables(where.devices[0])):
        large, small, other = (tf.get_variable(name, [size]) for name, size in (("a", 9), ("b", 2), ("c", 3)))
        assert tf.zeros([]).device == "/device:GPU:0"
        with tf.device("/device:GPU:1"):
            assert tf.zeros([]).device == "/device:GPU:1"
            with tf.device(placement.HOST):
                assert tf.zeros([]).device == "/device:CPU:0"
        step = tf.train.get_or_create_global_step()
    assert [variable.device for variable in (large, small, other)] == [
        "/device:GPU:0",
        "/device:GPU:1",
        "/device:GPU:1",
    ]
    assert step.device == "/device:CPU:0"


def test_a_device_within_one_of_a_cluster_is_of_its_machine():
    outer = "/job:worker/task:3/device:GPU:1"
    where = Placement((outer, outer), (outer, outer))
    with tf.Graph().as_default(), tf.device(where.with_variables(outer)):
        assert tf.zeros([]).device == outer
        with tf.device(placement.HOST):
            inner = tf.DeviceSpec.from_string(tf.zeros([]).device)
    assert inner == tf.DeviceSpec.from_string("/job:worker/task:3/device:CPU:0")
