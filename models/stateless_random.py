"""Stateless random numbers: functions of a run's seed, its step and the example that they are drawn for.

A resumed run draws the same ones, and so does one that is computed on another number of devices: whoever computes
examples 100 to 199 of a batch draws for them what would be drawn for them anywhere.

The generator is Philox (Salmon et al., Parallel random numbers: as easy as 1, 2, 3, 2011), which turns a key and a
counter into four numbers of 32 bits. The key is of the seed and the draw, the counter's upper half of the step, and
its lower half counts on from one example to the next.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable

from models import devices
from models.magenta import tf

_PHILOX = 1  # TensorFlow's number for it.
_AT_ONCE = 4  # Numbers of 32 bits that a counter stands for.
_TIME_SHIFT = 2**40  # The upper half of the counter is the step, and above it the step of the sequence.


class StatelessRandom:
    """Random numbers that depend on the run's seed, its step, the draw's place in the graph and the example alone.

    Draws are numbered in the order in which a model is built, which never changes.
    """

    def __init__(
        self, seed: int | None = None, step: tf.Tensor | None = None, first: int = 0, num: int | None = None
    ) -> None:
        """Takes what the numbers depend on.

        Args:
            seed: The run's; without one no two steps draw the same.
            step: The variable that counts its steps.
            first: The number, within the batch, of the first example that is computed here.
            num: How many are; None where all are, whose number need not be known then.
        """
        self._seed, self._step = seed, step
        self._first, self._num = first, num
        self._draws = 0

    def uniform(self, shape: tf.TensorShape | list[int], time: tf.Tensor | int = 0) -> tf.Tensor:
        """Returns float32 numbers in [0, 1), `[examples, …]`.

        Within a loop over a sequence, `time` is the step of the sequence.
        """
        return self._draw(tf.raw_ops.StatelessRandomUniformV2, shape, time, dtype=tf.float32)

    def normal(self, shape: tf.TensorShape | list[int]) -> tf.Tensor:
        """Returns float32 numbers of a standard normal distribution, `[examples, …]`."""
        return self._draw(tf.raw_ops.StatelessRandomNormalV2, shape, dtype=tf.float32)

    def dropout(self, values: tf.Tensor, keep_prob: float, axis: int = 0, time: tf.Tensor | int = 0) -> tf.Tensor:
        """Returns `values` after dropout: each is divided by `keep_prob` with that probability, and otherwise 0.

        `axis` is the one of the examples, `time` as of `uniform`.
        """
        mask = self.dropout_mask(values.shape, keep_prob, axis, time)
        return values if mask is None else values * mask

    def dropout_mask(
        self, shape: tf.TensorShape | list[int], keep_prob: float, axis: int = 0, time: tf.Tensor | int = 0
    ) -> tf.Tensor | None:
        """Returns the factors of dropout, 0 or 1 / `keep_prob`; None where it keeps everything."""
        if keep_prob == 1.0:
            return None
        return tf.to_float(self.coin_flips(shape, keep_prob, axis, time)) * (1 / keep_prob)

    def coin_flips(
        self, shape: tf.TensorShape | list[int], probability: float, axis: int = 0, time: tf.Tensor | int = 0
    ) -> tf.Tensor:
        """Returns bools that are true with `probability`, rounded to 16 bits; `axis` is the one of the examples.

        A random number of 32 bits makes two of them, in half the time.
        """
        rows, *others = _moved(tf.TensorShape(shape).as_list(), axis, 0)
        size = math.prod(others)
        shape = [rows, (size + 1) // 2]
        numbers = self._draw(tf.raw_ops.StatelessRandomUniformFullIntV2, shape, time, dtype=tf.int32)
        halves = tf.reshape(tf.bitcast(numbers, tf.int16), [rows, -1])[:, :size]
        flips = halves < min(round(probability * 2**16), 2**16 - 1) - 2**15
        order = _moved(list(range(len(others) + 1)), 0, axis)
        return tf.transpose(tf.reshape(flips, [rows, *others]), order)

    def _draw(
        self, operation: Callable, shape: tf.TensorShape | list[int], time: tf.Tensor | int = 0, **options
    ) -> tf.Tensor:
        """Returns what a raw operation of TensorFlow draws, `[examples, …]`; an example has counters of its own."""
        rows, *others = tf.TensorShape(shape).as_list()
        size = math.prod(others)
        counters = -(-size // _AT_ONCE)
        first = self._first * rows // self._num * counters if self._num else 0
        drawn = operation(
            shape=[rows, counters * _AT_ONCE],
            key=self._key(),
            counter=self._counter(first, time),
            alg=_PHILOX,
            **options,
        )
        return tf.reshape(drawn[:, :size], [rows, *others])

    def _key(self) -> tf.Tensor:
        self._draws += 1
        if self._seed is None:
            return tf.bitcast(tf.random.uniform([1], maxval=2**63 - 1, dtype=tf.int64), tf.uint64)
        digest = hashlib.blake2b(f"{self._seed} {self._draws}".encode(), digest_size=8).digest()
        return tf.constant([int.from_bytes(digest, "little")], tf.uint64)

    def _counter(self, first: int, time: tf.Tensor | int) -> tf.Tensor:
        with tf.device(devices.HOST):  # It counts the steps; two numbers are copied sooner than computed on a GPU.
            upper = tf.constant(0, tf.int64) if self._step is None else tf.cast(self._step, tf.int64)
            if not isinstance(time, int) or time:
                upper += tf.cast(time, tf.int64) * _TIME_SHIFT
            return tf.bitcast(tf.stack([tf.constant(first, tf.int64), upper]), tf.uint64)


def _moved(values: list, source: int, target: int) -> list:
    """Returns a list in which one value has moved to another place."""
    rest = [*values[:source], *values[source + 1 :]]
    return [*rest[:target], values[source], *rest[target:]]
