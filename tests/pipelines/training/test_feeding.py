"""Batches on their way to the towers: who gets which examples of which batch, and when it is read."""

import itertools

import numpy as np
import pytest

from models.magenta import tf
from pipelines.training import feeding, machine, placement
from pipelines.training.placement import HERE, Placement

BATCH_SIZE, STEPS = 5, 3


def batch(number: int) -> tuple[np.ndarray, ...]:
    """Returns a batch whose numbers say which batch, example and step they are of."""
    examples = 100 * number + 10 * np.arange(BATCH_SIZE)
    values = examples[:, np.newaxis] + np.arange(STEPS)
    return values[..., np.newaxis].astype(np.float32), values.astype(np.int32), np.zeros([BATCH_SIZE, 0]), examples


def make_batches() -> tf.data.Dataset:
    """Makes batches 0, 1, 2, …"""
    kinds = [(array.dtype, array.shape) for array in batch(0)]
    types, shapes = (tuple(each) for each in zip(*kinds, strict=True))
    return tf.data.Dataset.from_generator(lambda: map(batch, itertools.count()), types, shapes)


def open_session(where: Placement) -> tf.Session:
    session = tf.Session(config=machine.session_settings(where))
    session.run(tf.get_collection(tf.GraphKeys.TABLE_INITIALIZERS))
    return session


def check(found: list[list[np.ndarray]], towers: list[placement.Tower], number: int) -> None:
    """Checks that towers have their examples of a batch."""
    for tower, tensors in zip(towers, found, strict=True):
        for array, expected in zip(tensors, batch(number), strict=True):
            np.testing.assert_array_equal(array, expected[tower.first : tower.first + tower.size])


@pytest.mark.parametrize("num_devices", [1, 2, 3, 4])
def test_each_tower_has_its_examples_of_each_batch(num_devices):
    where = placement.of_cpu_devices(num_devices)
    towers = where.towers(BATCH_SIZE)
    with tf.Graph().as_default():
        feed = feeding.Feed(make_batches, where.host)
        examples = [feed.examples(tower) for tower in towers]
        put = feed.put()
        with open_session(where) as session:
            session.run(put)
            for number in range(4):
                check(session.run((examples, put))[0], towers, number)


@pytest.mark.parametrize("machine_name", ["", "/job:worker/task:1"])
def test_numbers_are_copied_to_the_device_of_their_tower_and_integers_to_its_host(machine_name):
    """TensorFlow computes with integers on the host of a GPU."""
    where = Placement(tuple(f"{machine_name}/device:GPU:{number}" for number in range(3)))
    towers = where.towers(BATCH_SIZE)
    with tf.Graph().as_default() as graph:
        feed = feeding.Feed(make_batches, where.host)
        for tower in towers:
            for tensor, whole in zip(feed.examples(tower), batch(0), strict=True):
                assert (tensor.dtype, tensor.shape) == (whole.dtype, (tower.size, *whole.shape[1:]))
                is_integer = np.issubdtype(whole.dtype, np.integer)
                there = tf.DeviceSpec.from_string(f"{machine_name}{placement.HOST}" if is_integer else tower.device)
                assert tf.DeviceSpec.from_string(tensor.device) == there
        slices = [operation for operation in graph.get_operations() if operation.type == "StridedSlice"]
        assert {operation.device for operation in slices} == {where.host}


def waiting() -> list[tf.Tensor]:
    """Returns how many batches wait in each staging area of the default graph."""
    sizes = []
    for stage in [each for each in tf.get_default_graph().get_operations() if each.type == "Stage"]:
        with tf.device(stage.device):
            area = stage.get_attr("shared_name").decode()
            sizes.append(tf.raw_ops.StageSize(dtypes=stage.get_attr("dtypes"), shared_name=area))
    return sizes


def test_one_batch_waits_on_the_devices():
    where = placement.of_cpu_devices(2)
    towers = where.towers(BATCH_SIZE)
    with tf.Graph().as_default():
        feed = feeding.Feed(make_batches, where.host)
        examples, sizes = [feed.examples(tower) for tower in towers], waiting()
        put = feed.put()
        with open_session(where) as session:
            assert session.run(sizes) == [0] * 4  # Floats and integers of each.
            session.run(put)
            assert session.run(sizes) == [1] * 4
            session.run((examples, put))
            assert session.run(sizes) == [1] * 4
            check(session.run(examples), towers, 1)
            assert session.run(sizes) == [0] * 4


def test_runs_in_one_process_do_not_get_each_others_batches():
    with tf.Graph().as_default():
        towers = HERE.towers(BATCH_SIZE)
        feeds = [feeding.Feed(make_batches) for _ in range(2)]
        examples, sizes = [feed.examples(towers[0]) for feed in feeds], waiting()
        with open_session(HERE) as session:
            session.run(feeds[0].put())
            assert session.run(sizes) == [1, 1, 0, 0]
            session.run([feed.put() for feed in feeds])
            check([session.run(examples[1])], towers, 0)
            assert session.run(sizes) == [2, 2, 0, 0]


def test_a_step_with_a_feed_of_its_own_is_fed_nothing():
    with tf.Graph().as_default():
        assert feeding.Feed(make_batches).next_values() == {}


def test_a_server_elsewhere_is_fed_the_same_batches_in_order():
    tower = HERE.towers(BATCH_SIZE)[0]
    with tf.Graph().as_default() as graph, tf.Session() as session:
        feed = feeding.RemoteFeed(make_batches)
        examples = feed.examples(tower)
        assert all(tensor.graph is graph for tensor in examples)  # Not the one that reads the batches.
        assert [tensor.op.type for tensor in examples] == ["Placeholder"] * 4
        assert [tensor.shape for tensor in examples] == [array.shape for array in batch(0)]
        session.run(feed.put())
        for number in range(4):
            check([session.run(examples, feed.next_values())], [tower], number)


def test_what_is_fed_is_cut_among_towers():
    towers = Placement(("", "")).towers(BATCH_SIZE)
    with tf.Graph().as_default(), tf.Session() as session:
        feed = feeding.RemoteFeed(make_batches)
        examples = [feed.examples(tower) for tower in towers]
        for number in range(2):
            check(session.run(examples, feed.next_values()), towers, number)
