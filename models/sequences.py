"""Sequences as tensors: one-hot ones become tokens, targets become inputs one step late, steps come first."""

from __future__ import annotations

import contextlib

import numpy as np

from grooves import drums, tokens
from models import devices
from models.magenta import tf

_HITS = tokens.to_hits(np.arange(tokens.NUM_TOKENS)).astype(np.float32)  # Of each token.


def as_tokens(sequence: tf.Tensor) -> tf.Tensor:
    """Returns the tokens of one-hot sequences.

    Args:
        sequence: `[batch, steps, depth]` or `[steps, batch, depth]`; tokens are returned as they are.

    Returns:
        `[batch, steps]` or `[steps, batch]` int32, -1 where a step is all zeros.
    """
    if sequence.dtype.is_integer:
        return sequence
    likeliest = tf.argmax(sequence, axis=-1, output_type=tf.int32)
    return tf.where_v2(tf.reduce_max(sequence, axis=-1) > 0, likeliest, -1)


def as_one_hot(sequence: tf.Tensor, depth: int) -> tf.Tensor:
    """Returns tokens `[batch, steps]` as `[batch, steps, depth]` float32, zeros for -1; others as they are."""
    return tf.one_hot(sequence, depth) if sequence.dtype.is_integer else sequence


def one_step_late(sequence: tf.Tensor) -> tf.Tensor:
    """Returns `[batch, steps, depth]` or tokens `[batch, steps]` with zeros first and without the last step."""
    if sequence.dtype.is_integer:
        return tf.pad(sequence[:, :-1], [(0, 0), (1, 0)], constant_values=-1)
    return tf.pad(sequence[:, :-1], [(0, 0), (1, 0), (0, 0)])


def time_major(sequence: tf.Tensor) -> tf.Tensor:
    """Returns `[batch, steps, …]` as `[steps, batch, …]`, or the other way round.

    Integers are moved on the host, where TensorFlow does all else with them.
    """
    with tf.device(devices.HOST) if sequence.dtype.is_integer else contextlib.nullcontext():
        return tf.transpose(sequence, [1, 0, *range(2, len(sequence.shape))])


def hits_of(sequence: tf.Tensor) -> tf.Tensor:
    """Returns hits `[batch, steps, 9]`, float32, of drums' tokens `[batch, steps]` or grooves `[batch, steps, 27]`."""
    if not sequence.dtype.is_integer:
        return tf.to_float(sequence[..., : drums.NUM_CLASSES])
    return tf.gather(_HITS, tf.maximum(sequence, 0))
