"""Stateless random numbers: functions of a run's seed and step, so that a resumed run draws the same ones."""

from __future__ import annotations

import zlib

from models.magenta import tf


class StatelessRandom:
    """Random numbers that depend on the run's seed, its step, and the draw's place in the graph alone.

    Draws are numbered in the order in which a model is built, which never changes.
    """

    def __init__(self, seed: int | None = None, step: tf.Tensor | None = None) -> None:
        """Takes the run's seed and the variable that counts its steps; without a seed no two steps draw the same."""
        self._seed, self._step = seed, step
        self._draws = 0

    def uniform(self, shape, time: tf.Tensor | int = 0) -> tf.Tensor:
        """Returns float32 numbers in [0, 1); within a loop over a sequence, `time` is the step of the sequence."""
        return tf.random.stateless_uniform(shape, self._next_seed(time))

    def normal(self, shape) -> tf.Tensor:
        """Returns float32 numbers of a standard normal distribution."""
        return tf.random.stateless_normal(shape, self._next_seed())

    def dropout(self, values: tf.Tensor, keep_prob: float) -> tf.Tensor:
        """Returns `values` after dropout: each is divided by `keep_prob` with that probability, and otherwise 0."""
        mask = self.dropout_mask(values.shape, keep_prob)
        return values if mask is None else values * mask

    def dropout_mask(self, shape: tf.TensorShape | list[int], keep_prob: float) -> tf.Tensor | None:
        """Returns the factors of dropout, 0 or 1 / `keep_prob`; None where it keeps everything."""
        return None if keep_prob == 1.0 else tf.to_float(self.coin_flips(shape, keep_prob)) / keep_prob

    def coin_flips(self, shape: tf.TensorShape | list[int], probability: float) -> tf.Tensor:
        """Returns bools that are true with `probability`, rounded to 16 bits.

        A random number of 32 bits makes two of them, in half the time.
        """
        size = tf.TensorShape(shape).num_elements()
        numbers = tf.random.stateless_uniform(
            [(size + 1) // 2], self._next_seed(), minval=None, maxval=None, dtype=tf.int32
        )
        halves = tf.reshape(tf.bitcast(numbers, tf.int16), [-1])[:size]
        return tf.reshape(halves < min(round(probability * 2**16), 2**16 - 1) - 2**15, shape)

    def _next_seed(self, time: tf.Tensor | int = 0) -> tf.Tensor:
        if self._seed is None:
            return tf.random.uniform([2], maxval=2**31 - 1, dtype=tf.int32)
        self._draws += 1
        sequence = zlib.crc32(f"{self._seed} {self._draws}".encode())
        return tf.stack([sequence + tf.cast(time, tf.int64) * 2**32, tf.cast(self._step, tf.int64)])
