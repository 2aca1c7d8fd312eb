"""Where a step is computed: how a batch is cut among devices, and which device has which variable."""

import pytest

from models.magenta import tf
from pipelines.training import placement
from pipelines.training.placement import HERE, Placement, Tower

CPUS = tuple(f"/device:CPU:{number}" for number in range(4))


def sizes(num_devices: int, batch_size: int) -> list[int]:
    return [tower.size for tower in Placement(CPUS[:num_devices]).towers(batch_size)]


@pytest.mark.parametrize("num_devices", [1, 2, 3, 4])
@pytest.mark.parametrize("batch_size", [1, 2, 3, 4, 5, 7, 64, 512])
def test_each_example_is_in_one_tower_and_none_is_empty(num_devices, batch_size):
    towers = Placement(CPUS[:num_devices]).towers(batch_size)
    numbers = [number for tower in towers for number in range(tower.first, tower.first + tower.size)]
    assert numbers == list(range(batch_size))
    assert len(towers) == min(num_devices, batch_size)
    assert max(tower.size for tower in towers) - min(tower.size for tower in towers) <= 1
    assert [tower.device for tower in towers] == list(CPUS[: len(towers)])


def test_parts_of_a_batch_that_does_not_divide_differ_by_one():
    assert Placement(CPUS[:3]).towers(8) == [Tower(CPUS[0], 0, 2), Tower(CPUS[1], 2, 3), Tower(CPUS[2], 5, 3)]
    assert sizes(4, 10) == [2, 3, 2, 3]
    assert sizes(3, 9) == [3, 3, 3]


def test_more_devices_than_examples_leave_devices_over():
    assert Placement(CPUS).towers(2) == [Tower(CPUS[0], 0, 1), Tower(CPUS[1], 1, 1)]


def test_without_devices_there_is_one_tower_wherever_tensorflow_computes():
    assert HERE.towers(5) == [Tower("", 0, 5)]
    assert (HERE.holders, HERE.host) == ((), placement.HOST)


@pytest.mark.parametrize(
    ("device", "machine"),
    [
        ("", ""),
        ("/device:GPU:1", ""),
        ("/job:worker/task:0/device:CPU:0", "/job:worker/task:0"),
        ("/job:worker/task:12/device:GPU:3", "/job:worker/task:12"),
    ],
)
def test_the_machine_of_a_tower(device, machine):
    assert Tower(device, 0, 1).machine == machine


def holders_of(where: Placement, shapes: dict[str, list[int]], use_resource: bool = False) -> dict[str, str]:
    """Returns the devices of variables that are made in this order."""
    with tf.Graph().as_default(), tf.device(where.with_variables(where.devices[0])):
        made = {name: tf.get_variable(name, shape, use_resource=use_resource) for name, shape in shapes.items()}
        return {name: variable.device for name, variable in made.items()}


@pytest.mark.parametrize("use_resource", [False, True])
def test_each_variable_goes_to_whoever_has_the_least(use_resource):
    where = Placement(CPUS[:2], CPUS[:2], CPUS[3])
    shapes = {"large": [10, 10], "small": [9], "medium": [5, 10], "a": [40], "b": [2], "c": [1]}
    holders = holders_of(where, shapes, use_resource)
    # 100 | 9, 59, 99, 101 | 101: the last goes to the first.
    assert holders == dict(zip(shapes, [CPUS[0], CPUS[1], CPUS[1], CPUS[1], CPUS[1], CPUS[0]], strict=True))


def test_variables_lie_with_holders_that_compute_nothing():
    where = Placement(CPUS[:1], CPUS[2:], CPUS[3])
    with tf.Graph().as_default(), tf.device(where.with_variables(CPUS[0])):
        first, second = tf.get_variable("first", [3]), tf.get_variable("second", [3])
        total = first + second
    assert (first.device, second.device, total.device) == (CPUS[2], CPUS[3], CPUS[0])
    assert first.initializer.device == CPUS[2]


def test_the_step_lies_on_the_host():
    where = Placement(CPUS[:2], CPUS[:2], CPUS[3])
    with tf.Graph().as_default(), tf.device(where.with_variables(CPUS[0])):
        step, variable = tf.train.get_or_create_global_step(), tf.get_variable("first", [1])
    assert (step.device, variable.device) == (CPUS[3], CPUS[0])  # And it is no load of a holder's.


def test_without_holders_variables_go_where_all_else_goes():
    assert HERE.with_variables("/device:CPU:0") == "/device:CPU:0"


def test_devices_of_one_kind_hold_the_variables_too():
    for made, kind in ((placement.of_gpus(3), "GPU"), (placement.of_cpu_devices(3), "CPU")):
        assert made.devices == made.holders == tuple(f"/device:{kind}:{number}" for number in range(3))
        assert made.host == "/device:CPU:0"


@pytest.mark.parametrize("num", [0, 1])
def test_one_device_or_none_is_left_to_tensorflow(num):
    assert placement.of_gpus(num) is placement.of_cpu_devices(num) is HERE


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
