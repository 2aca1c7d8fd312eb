"""What a config's training step has to do: the bytes of its variables, and the arithmetic of its matrix products."""

from __future__ import annotations

import dataclasses
import math
import re

import configs
from models.magenta import tf
from models.vae import MusicVAE

FLOAT_BYTES = 4
PASSES = 3  # Forwards, and twice as much backwards: the gradients of weights and of inputs.

# How often a product with a kernel is computed for an example, by the kernel's name; the first that is found in it.
_TIMES = {
    "encoder/hierarchical_level_1": configs.BARS,
    "encoder/hierarchical_level_0": configs.STEPS,
    "encoder/cell_": configs.STEPS,
    "encoder/mu": 1,
    "encoder/sigma": 1,
    "decoder/hierarchical_level_0/initial_state": 1,
    "decoder/hierarchical_level_0/cell_": configs.BARS,
    "core_decoder/decoder/z_to_initial_state": configs.BARS,
    "decoder/z_to_initial_state": 1,
    "decoder/multi_rnn_cell": configs.STEPS,
    "decoder/output_projection": configs.STEPS,
    "auxiliary/hits": configs.BARS,
}


@dataclasses.dataclass(frozen=True)
class Work:
    """A training step of a config.

    Attributes:
        names: Of the trainable variables, in the order in which they are made.
        sizes: Their bytes.
        flops: Of the matrix products of one example, forwards and backwards; a multiplication and an addition are two.
    """

    names: tuple[str, ...]
    sizes: tuple[int, ...]
    flops: int


def of_config(name: str) -> Work:
    """Builds a config's graph and returns its work.

    Raises:
        ValueError: it is no config, or none whose products are known here.
    """
    config = configs.with_hparams(configs.CONFIG_MAP[name], "batch_size=1")
    if not isinstance(config.model, MusicVAE):
        raise ValueError(f"the products of Magenta's own {name} are not known here; take one of this project's configs")
    with tf.Graph().as_default():
        shapes = {each.op.name: each.shape.as_list() for each in make_variables(config)}
    depth = config.data_converter.output_depth
    token_rows = 0 if config.data_converter.input_depth == depth else depth
    return Work(
        tuple(shapes),
        tuple(FLOAT_BYTES * math.prod(shape) for shape in shapes.values()),
        sum(_flops(name, variable, shape, token_rows) for variable, shape in shapes.items() if len(shape) == 2),
    )


def make_variables(config: configs.Config) -> list[tf.Variable]:
    """Builds a config's model in the default graph, and returns its trainable variables in the order they are made."""
    batch_size, converter = config.hparams.batch_size, config.data_converter
    config.model.build(config.hparams, converter.output_depth, is_training=True)
    inputs = tf.zeros([batch_size, configs.STEPS, converter.input_depth])
    is_groove = converter.input_depth == converter.output_depth
    outputs = inputs if is_groove else tf.zeros([batch_size, configs.STEPS], tf.int32)
    config.model.train(inputs, outputs, tf.fill([batch_size], configs.STEPS))
    return tf.trainable_variables()


def _flops(config: str, kernel: str, shape: list[int], token_rows: int) -> int:
    times = next((times for part, times in _TIMES.items() if part in kernel), None)
    if times is None:
        raise ValueError(f"{config}: how often {kernel} is multiplied is not known; take one of this project's configs")
    rows, columns = shape
    if re.search("decoder/multi_rnn_cell/cell_0", kernel):  # Rows of tokens are looked up.
        rows -= token_rows
    return PASSES * 2 * rows * columns * times
