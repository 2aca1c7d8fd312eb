"""LSTMs over whole sequences: Magenta's variables and function, computed in fewer and larger operations.

Upstream runs an `LSTMBlockCell` in a loop over the steps and lets TensorFlow derive the loop backwards: for each step
two products forwards and three backwards, and the gates in a dozen passes over memory. Here

* all directions of a layer are one batched product a step, which writes the four gates one after the other;
* the rest of a step, and of a step backwards, is one operation compiled by XLA, which is compiled alone: XLA's own
  products are slow on a CPU. The way back begins with the gates as they came out of the product, so that nothing else
  is kept;
* inputs that are one-hot are looked up, for all steps at once; what is the same in each step is multiplied once;
* the gradients of the weights, of the inputs and of what is looked up are one operation each, over a quarter of the
  steps, beside the steps of the next quarter.

With `fused` a layer is one `BlockLSTM` operation for each direction instead: for GPUs, where each operation costs a
launch; slower on a CPU.

The equations and the order of the gates in the kernel (input, candidate, forget, output) are `LSTMBlockCell`'s; see its
documentation in TensorFlow.
"""

from __future__ import annotations

import dataclasses

from models import step_loop
from models.magenta import tf

FORGET_GATE = 2
FORGET_BIAS = 1.0  # LSTMBlockCell's default, added to the bias that is a variable.


@dataclasses.dataclass(frozen=True)
class Computation:
    """How layers are computed; what they compute is the same.

    Attributes:
        dtype: Of the factors of matrix products; state, sums of losses and updates are float32 in any case.
        fused: One operation for a whole layer, for GPUs; its products are float32.
    """

    dtype: tf.DType = tf.float32
    fused: bool = False

    def matmul(self, a: tf.Tensor, b: tf.Tensor, **options) -> tf.Tensor:
        """Returns the product of two float32 tensors as float32."""
        return tf.cast(tf.matmul(tf.cast(a, self.dtype), tf.cast(b, self.dtype), **options), tf.float32)


@dataclasses.dataclass(frozen=True)
class Inputs:
    """What goes into a layer besides its state. The parts are rows of the kernel in this order; None is left out.

    Attributes:
        tokens: `[steps, batch]` int32; the one of a one-hot input, -1 for zeros.
        num_tokens: How many kinds of tokens there are, 0 without.
        data: `[steps, directions, batch, depth]`, what no gradient is wanted of.
        dense: The same, with a gradient.
        constant: `[batch, depth]`, the same in each step.
    """

    tokens: tf.Tensor | None = None
    num_tokens: int = 0
    data: tf.Tensor | None = None
    dense: tf.Tensor | None = None
    constant: tf.Tensor | None = None

    @property
    def steps(self) -> int:
        """How many there are; a constant alone does not say."""
        return next(int(each.shape[0]) for each in (self.tokens, self.data, self.dense) if each is not None)


@dataclasses.dataclass(frozen=True)
class Layer:
    """The variables of one cell for each direction, as `LSTMBlockCell` keeps them.

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
    states: list[tuple[tf.Tensor, tf.Tensor]],
    computation: Computation,
    masks: list[tf.Tensor | None] | None = None,
) -> tf.Tensor:
    """Returns the top layer's output in each step, `[steps, directions, batch, units]`, of the products' dtype.

    Args:
        layers: Their variables, the lowest first. Layers above it take the outputs of the one below.
        inputs: What goes into the lowest.
        states: c and h of each before the first step, `[directions, batch, units]` each.
        computation: How.
        masks: For each layer but the lowest what its input is multiplied by, `[steps, directions, batch, units]`.
    """
    masks = masks or [None] * (len(layers) - 1)
    if not computation.fused:
        return _in_steps(layers, inputs, states, masks, None, computation)
    for layer, state, mask in zip(layers, states, [*masks, None], strict=True):
        sequence = _fused(layer, inputs, state)
        inputs = Inputs(dense=sequence if mask is None else sequence * mask)
    return sequence


def last_output(
    layer: Layer, inputs: Inputs, state: tuple[tf.Tensor, tf.Tensor], lengths: tf.Tensor, computation: Computation
) -> tf.Tensor:
    """Returns a layer's output at the end of each sequence, float32 `[directions, batch, units]`.

    For an empty sequence that is h of the state.

    Args:
        layer: Its variables.
        inputs: What goes in.
        state: c and h before the first step, `[directions, batch, units]` each.
        lengths: `[batch]` int32, steps.
        computation: How.
    """
    if not computation.fused:
        return _in_steps([layer], inputs, [state], [], lengths, computation)
    sequence = tf.concat([state[1][tf.newaxis], _fused(layer, inputs, state)], axis=0)
    batch = tf.range(tf.shape(lengths)[0])
    return tf.stack([tf.gather_nd(sequence[:, d], tf.stack([lengths, batch], 1)) for d in range(layer.directions)])


def _fused(layer: Layer, inputs: Inputs, state: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
    """As `outputs`, by one `BlockLSTM` for each direction."""
    dense = _as_dense(inputs, layer.directions)
    no_peephole = tf.zeros([layer.units])
    per_direction = [
        tf.raw_ops.BlockLSTM(
            seq_len_max=tf.shape(dense, out_type=tf.int64)[0],
            x=dense[:, direction],
            cs_prev=state[0][direction],
            h_prev=state[1][direction],
            w=layer.kernel[direction],
            wci=no_peephole,
            wcf=no_peephole,
            wco=no_peephole,
            b=layer.bias[direction],
            forget_bias=FORGET_BIAS,
            cell_clip=-1.0,
            use_peephole=False,
        ).h
        for direction in range(layer.directions)
    ]
    return tf.stack(per_direction, axis=1)


def _as_dense(inputs: Inputs, directions: int) -> tf.Tensor:
    """Returns all inputs as `[steps, directions, batch, depth]`."""
    parts = []
    if inputs.tokens is not None:
        parts.append(tf.one_hot(inputs.tokens, inputs.num_tokens)[:, tf.newaxis])
    parts += [each for each in (inputs.data, inputs.dense) if each is not None]
    if inputs.constant is not None:
        parts.append(tf.tile(inputs.constant[tf.newaxis, tf.newaxis], [inputs.steps, directions, 1, 1]))
    return tf.concat(parts, axis=-1)


def _in_steps(
    layers: list[Layer],
    inputs: Inputs,
    states: list[tuple[tf.Tensor, tf.Tensor]],
    masks: list[tf.Tensor | None],
    lengths: tf.Tensor | None,
    computation: Computation,
) -> tf.Tensor:
    """As `last_output`, or without lengths as `outputs`, by a loop over the steps."""
    steps = inputs.steps
    lowest_terms, data = _lowest_terms(layers[0], inputs, states[0], computation)
    terms = [lowest_terms, *map(_terms, layers[1:], states[1:])]
    names = [(number, name) for number, arrays in enumerate(terms) for name in arrays]
    masks = [
        mask if mask is None else tf.cast(tf.reshape(mask, [steps, -1, mask.shape[-1]]), computation.dtype)
        for mask in masks
    ]

    @tf.custom_gradient
    def run(*values: tf.Tensor):
        arrays = [{} for _ in layers]
        for (number, name), value in zip(names, values, strict=True):
            arrays[number][name] = value
        lowest = step_loop.StepLayer(arrays[0], data, inputs.tokens, computation.dtype)
        above = [step_loop.StepLayer(each, None, None, computation.dtype) for each in arrays[1:]]
        loop = step_loop.StepLoop([lowest, *above], masks, steps, lengths)

        def backward(gradient: tf.Tensor) -> list[tf.Tensor]:
            gradients = loop.backward(gradient)
            return [gradients[number][name] for number, name in names]

        return loop.forward(), backward

    return run(*(terms[number][name] for number, name in names))


def _terms(layer: Layer, state: tuple[tf.Tensor, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Returns the arrays of a layer above another, as `StepLayer` takes them: the bias is the kernel's first row."""
    return {"c": state[0], "h": state[1], "kernel": tf.concat([_full_bias(layer), layer.kernel], axis=1)}


def _lowest_terms(
    layer: Layer, inputs: Inputs, state: tuple[tf.Tensor, tf.Tensor], computation: Computation
) -> tuple[dict[str, tf.Tensor], tf.Tensor | None]:
    """Returns the arrays and the data of the lowest layer, as `StepLayer` takes them.

    What is the same in each step is multiplied here, and the bias added to it; where there is nothing of that kind, the
    bias is a row of the kernel, which a column of ones in the data chooses.
    """
    data_depth, depth = (0 if each is None else int(each.shape[-1]) for each in (inputs.data, inputs.dense))
    constant_depth = int(layer.kernel.shape[1]) - inputs.num_tokens - data_depth - depth - layer.units
    sizes = [inputs.num_tokens, data_depth + depth, constant_depth, layer.units]
    table, input_rows, constant_rows, state_rows = tf.split(layer.kernel, sizes, axis=1)

    terms = {"c": state[0], "h": state[1]}
    kernel, data = [input_rows, state_rows], inputs.data
    if inputs.tokens is not None:
        terms["table"] = table[0]
    if inputs.dense is not None:
        terms["dense"] = inputs.dense
    if inputs.constant is not None:
        product = computation.matmul(inputs.constant[tf.newaxis], constant_rows)
        terms["constant"] = product + _full_bias(layer)
    else:
        kernel = [_full_bias(layer), *kernel]
        ones = tf.ones([inputs.steps, layer.directions, state[0].shape[1], 1])
        data = ones if data is None else tf.concat([ones, data], axis=-1)
    terms["kernel"] = tf.concat(kernel, axis=1)
    return terms, data


def _full_bias(layer: Layer) -> tf.Tensor:
    """Returns the bias with what the cell adds to it, `[directions, 1, 4 * units]`."""
    forget_bias = tf.one_hot(tf.fill([layer.units], FORGET_GATE), step_loop.NUM_GATES, FORGET_BIAS, axis=0)
    return (layer.bias + tf.reshape(forget_bias, [-1]))[:, tf.newaxis]
