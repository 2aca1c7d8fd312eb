"""LSTMs over whole sequences: Magenta's variables and function, computed in fewer and larger operations.

Upstream runs an `LSTMBlockCell` in a loop over the steps and lets TensorFlow derive the backward pass: for each step
two products forwards and three backwards, and a dozen passes over memory for the gates. Here

* all directions of a layer are one batched product a step, which writes the four pre-activations of a unit apart;
* the rest of a step, in the forward and in the backward pass, is one operation that XLA compiles. The product stays
  TensorFlow's: XLA's own are slow on a CPU. The backward pass computes the gates again from the saved product, so that
  no other activations are saved but c;
* one-hot inputs are looked up, for all steps at once; a constant input is multiplied once;
* the gradients of weights, inputs and looked-up rows are one operation each for a quarter of the steps, which runs
  beside the steps of the next quarter.

On GPUs, where each operation costs a launch, a layer is one operation instead: a `BlockLSTM` for each direction, slower
on a CPU (`block_lstm`), or cuDNN's, which a CPU does not have (`cudnn`).

The equations and the order of the gates in the kernel (input, candidate, forget, output) are `LSTMBlockCell`'s; see its
documentation in TensorFlow.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from models import block_lstm, cudnn, devices, step_loop
from models.magenta import tf

FORGET_GATE = 2
FORGET_BIAS = 1.0  # LSTMBlockCell's default, added to the bias that is a variable.
STEPS, BLOCK, CUDNN = "steps", "block", "cudnn"

State = tuple[tf.Tensor, tf.Tensor]  # c and h of a layer, `[directions, batch, units]` each.


@dataclasses.dataclass(frozen=True)
class Computation:
    """How layers are computed; what they compute is the same.

    Attributes:
        dtype: The type of the factors of matrix products; state, losses and updates are float32 in any case.
        layers: STEPS, or, for GPUs, where a layer is one operation, BLOCK, whose products are float32, or CUDNN.
    """

    dtype: tf.DType = tf.float32
    layers: str = STEPS

    def matmul(self, a: tf.Tensor, b: tf.Tensor, **options) -> tf.Tensor:
        """Returns the product of two float32 tensors as float32."""
        return tf.cast(tf.matmul(tf.cast(a, self.dtype), tf.cast(b, self.dtype), **options), tf.float32)


@dataclasses.dataclass(frozen=True)
class Inputs:
    """The inputs of a layer, in the order of the kernel's rows; None is left out.

    Attributes:
        tokens: `[steps, batch]` int32, the classes of a one-hot input, -1 for zeros.
        data: `[steps, directions, batch, depth]`, inputs that need no gradient.
        dense: `[steps, directions, batch, depth]`, inputs that need one.
        constant: `[batch, depth]`, the same in each step.
    """

    tokens: tf.Tensor | None = None
    data: tf.Tensor | None = None
    dense: tf.Tensor | None = None
    constant: tf.Tensor | None = None

    @property
    def steps(self) -> int:
        """The number of steps; a constant alone does not tell it."""
        return next(int(each.shape[0]) for each in (self.tokens, self.data, self.dense) if each is not None)


@dataclasses.dataclass(frozen=True)
class Layer:
    """The variables of one `LSTMBlockCell` for each direction.

    Attributes:
        kernel: `[directions, depth + units, 4 * units]`.
        bias: `[directions, 4 * units]`.
    """

    kernel: tf.Tensor
    bias: tf.Tensor

    @property
    def units(self) -> int:
        return int(self.kernel.shape[2]) // step_loop.NUM_GATES

    @property
    def directions(self) -> int:
        return int(self.kernel.shape[0])


def outputs(
    layers: list[Layer],
    inputs: Inputs,
    states: list[State],
    computation: Computation,
    masks: Sequence[tf.Tensor | None] = (),
) -> tf.Tensor:
    """Returns the top layer's output in each step, `[steps, directions, batch, units]`, of the products' dtype.

    Args:
        layers: The variables, the lowest layer first; each layer's outputs are the inputs of the next.
        inputs: The inputs of the lowest layer.
        states: The state of each layer before the first step.
        computation: How the layers are computed.
        masks: The dropout masks of each layer's input but the lowest's, `[steps, directions, batch, units]`.
    """
    if computation.layers == STEPS:
        return _in_steps(layers, inputs, states, masks, None, computation)
    for layer, state, mask in zip(layers, states, [*masks, None], strict=True):
        sequence = _at_once(layer, inputs, state, computation)
        inputs = Inputs(dense=sequence if mask is None else sequence * tf.cast(mask, sequence.dtype))
    return sequence


def last_output(layer: Layer, inputs: Inputs, state: State, lengths: tf.Tensor, computation: Computation) -> tf.Tensor:
    """Returns a layer's output at the end of each sequence, float32 `[directions, batch, units]`.

    For an empty sequence that is h of the state before the first step; `lengths` is `[batch]` int32, in steps.
    """
    if computation.layers == STEPS:
        return _in_steps([layer], inputs, [state], (), lengths, computation)
    sequence = _at_once(layer, inputs, state, computation)
    sequence = tf.concat([tf.expand_dims(tf.cast(state[1], sequence.dtype), 0), sequence], axis=0)
    _, directions, batch, _ = sequence.shape.as_list()
    of_direction, of_batch = np.indices([directions, batch], np.int32)
    with tf.device(devices.HOST):
        ends = tf.stack([tf.tile(tf.expand_dims(lengths, 0), [directions, 1]), of_direction, of_batch], axis=-1)
    return tf.cast(tf.gather_nd(sequence, ends), tf.float32)


def _at_once(layer: Layer, inputs: Inputs, state: State, computation: Computation) -> tf.Tensor:
    """Does `outputs` for one layer without a loop."""
    if computation.layers == BLOCK:
        return block_lstm.outputs(_as_dense(layer, inputs, tf.float32), layer.kernel, layer.bias, state, FORGET_BIAS)
    return cudnn.lstm(layer.kernel, layer.bias, _as_dense(layer, inputs, computation.dtype), state, FORGET_BIAS)


def _as_dense(layer: Layer, inputs: Inputs, dtype: tf.DType) -> tf.Tensor:
    """Returns all inputs as `[steps, directions, batch, depth]`, of `dtype`."""
    parts = [tf.cast(each, dtype) for each in (inputs.data, inputs.dense) if each is not None]
    if inputs.tokens is not None:
        num_tokens = _row_counts(layer, inputs)[0]
        parts.insert(0, tf.expand_dims(tf.one_hot(inputs.tokens, num_tokens, dtype=dtype), 1))
    if inputs.constant is not None:
        constant = tf.reshape(tf.cast(inputs.constant, dtype), [1, 1, *inputs.constant.shape])
        parts.append(tf.tile(constant, [inputs.steps, layer.directions, 1, 1]))
    return tf.concat(parts, axis=-1)


def _row_counts(layer: Layer, inputs: Inputs) -> list[int]:
    """Returns how many rows of the kernel are for tokens, for data and dense inputs, for a constant, and for h."""
    data, dense, constant = (
        0 if each is None else int(each.shape[-1]) for each in (inputs.data, inputs.dense, inputs.constant)
    )
    others = [data + dense, constant, layer.units]
    return [int(layer.kernel.shape[1]) - sum(others), *others]


def _in_steps(
    layers: list[Layer],
    inputs: Inputs,
    states: list[State],
    masks: Sequence[tf.Tensor | None],
    lengths: tf.Tensor | None,
    computation: Computation,
) -> tf.Tensor:
    """Does `last_output`, or without lengths `outputs`, by a loop over the steps."""
    steps, dtype = inputs.steps, computation.dtype
    lowest, data = _lowest_arrays(layers[0], inputs, states[0], computation)
    above = [
        {"c": c, "h": h, "kernel": tf.concat([_full_bias(layer), layer.kernel], axis=1)}
        for layer, (c, h) in zip(layers[1:], states[1:], strict=True)
    ]
    masks = [mask if mask is None else tf.cast(tf.reshape(mask, [steps, -1, mask.shape[-1]]), dtype) for mask in masks]

    @tf.custom_gradient
    def run(lowest: dict[str, tf.Tensor], above: list[dict[str, tf.Tensor]]):
        stack = [step_loop.StepLayer(lowest, dtype, data=data, tokens=inputs.tokens)]
        stack += [step_loop.StepLayer(each, dtype, mask=mask) for each, mask in zip(above, masks, strict=True)]
        loop = step_loop.StepLoop(stack, steps, lengths)
        return loop.forward(), loop.backward

    return run(lowest, above)


def _lowest_arrays(
    layer: Layer, inputs: Inputs, state: State, computation: Computation
) -> tuple[dict[str, tf.Tensor], tf.Tensor | None]:
    """Returns the arrays and the data of the lowest layer, for `StepLayer`.

    A constant input is multiplied here, and the bias added to it. Where there is none, the bias is a row of the kernel,
    and the data has a column of ones for it.
    """
    table, input_rows, constant_rows, state_rows = tf.split(layer.kernel, _row_counts(layer, inputs), axis=1)
    arrays = {"c": state[0], "h": state[1]}
    kernel, data = [input_rows, state_rows], inputs.data
    if inputs.tokens is not None:
        arrays["table"] = table[0]
    if inputs.dense is not None:
        arrays["dense"] = inputs.dense
    if inputs.constant is not None:
        product = computation.matmul(inputs.constant[tf.newaxis], constant_rows)
        arrays["constant"] = product + _full_bias(layer)
    else:
        kernel = [_full_bias(layer), *kernel]
        ones = tf.ones([inputs.steps, layer.directions, state[0].shape[1], 1])
        data = ones if data is None else tf.concat([ones, data], axis=-1)
    arrays["kernel"] = tf.concat(kernel, axis=1)
    return arrays, data


def _full_bias(layer: Layer) -> tf.Tensor:
    """Returns the bias with the cell's forget bias added, `[directions, 1, 4 * units]`."""
    forget_bias = tf.one_hot(tf.fill([layer.units], FORGET_GATE), step_loop.NUM_GATES, FORGET_BIAS, axis=0)
    return (layer.bias + tf.reshape(forget_bias, [-1]))[:, tf.newaxis]
