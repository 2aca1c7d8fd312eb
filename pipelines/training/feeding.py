"""The batches of a run on their way to the towers: each tower has its examples on its device one step ahead.

While a step is computed, the examples of the next one are read and copied, so that no step waits for them.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence

from models.magenta import session_config, tf
from pipelines.training.placement import HOST, Tower


class Feed:
    """Batches that the graph of a training step reads by itself, and holds in a staging area on each device."""

    def __init__(self, make_batches: Callable[[], tf.data.Dataset], host: str = HOST) -> None:
        """Takes the function that makes batches, (inputs, outputs, controls, lengths), and the CPU that reads them."""
        self._host, self._area = host, uuid.uuid4().hex  # A server keeps its areas from one session to the next.
        self._puts: list[tf.Operation] = []
        with tf.device(host):
            iterator = tf.data.make_initializable_iterator(make_batches())
            tf.add_to_collection(tf.GraphKeys.TABLE_INITIALIZERS, iterator.initializer)
            self._batch = iterator.get_next()

    def examples(self, tower: Tower) -> list[tf.Tensor]:
        """Returns a tower's part of each tensor of the next batch, on its device."""
        with tf.device(self._host):
            parts = [_cut(tensor, tower) for tensor in self._batch]
        # TensorFlow computes with small integers, tokens and lengths, in the memory of a GPU's host.
        are_integers = [part.dtype.is_integer for part in parts]
        floats = [part for part in parts if not part.dtype.is_integer]
        floats = self._staged(floats, tower.device, f"{tower.first}")
        integers = [part for part in parts if part.dtype.is_integer]
        integers = self._staged(integers, tower.machine + HOST, f"{tower.first} on the host", after=floats)
        return [(integers if is_integer else floats).pop(0) for is_integer in are_integers]

    def _staged(
        self, parts: list[tf.Tensor], device: str, name: str, after: Sequence[tf.Tensor] = ()
    ) -> list[tf.Tensor]:
        """Returns parts of the batch from a staging area of a device, which has a name.

        They are taken `after` others: what waits for a batch holds one of TensorFlow's few threads.
        """
        area = f"{self._area} {name}"
        with tf.device(device):
            self._puts.append(tf.raw_ops.Stage(values=parts, shared_name=area))
        with tf.device(device), tf.control_dependencies(after):
            staged = tf.raw_ops.Unstage(dtypes=[part.dtype for part in parts], shared_name=area)
        for tensor, part in zip(staged, parts, strict=True):
            tensor.set_shape(part.shape)
        return staged

    def put(self) -> tf.Operation:
        """Returns the operation that reads a batch and puts it on the devices.

        It has run once before the first step, and runs beside each.
        """
        return tf.group(*self._puts)

    def next_values(self) -> dict:
        """Returns what a step is to be fed: nothing."""
        return {}


class RemoteFeed:
    """Batches that this process reads and a server elsewhere is fed."""

    def __init__(self, make_batches: Callable[[], tf.data.Dataset]) -> None:
        """Takes the function that makes batches."""
        self._batches = _read(make_batches)
        self._next = next(self._batches)
        self._fed = [tf.placeholder(array.dtype, array.shape) for array in self._next]

    def examples(self, tower: Tower) -> list[tf.Tensor]:
        """Returns the tower's part of each tensor of the batch."""
        return [_cut(tensor, tower) for tensor in self._fed]

    def put(self) -> tf.Operation:
        """Returns an operation that does nothing."""
        return tf.no_op()

    def next_values(self) -> dict:
        """Returns the next batch, as a step is to be fed it."""
        values, self._next = self._next, None
        if values is None:
            values = next(self._batches)
        return dict(zip(self._fed, values, strict=True))


def _cut(tensor: tf.Tensor, tower: Tower) -> tf.Tensor:
    if tensor.shape[0] == tower.size:
        return tensor
    return tensor[tower.first : tower.first + tower.size]


def _read(make_batches: Callable[[], tf.data.Dataset]) -> Iterator[tuple]:
    """Yields batches as arrays, computed in a session of this process."""
    with tf.Graph().as_default() as graph:
        iterator = tf.data.make_initializable_iterator(make_batches())
        batch = iterator.get_next()
    session = tf.Session(graph=graph, config=session_config())
    session.run(iterator.initializer)
    while True:  # Not within the graph's context, which whoever asks for a batch would be in.
        yield session.run(batch)
