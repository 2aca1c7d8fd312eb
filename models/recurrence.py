"""LSTMs over whole sequences: Magenta's variables and function, computed in fewer and larger operations.

Upstream runs an `LSTMBlockCell` in a loop over the steps and lets TensorFlow derive the loop backwards: for each step
two products forwards and three backwards, and the gates in a dozen passes over memory. Here

* all directions of a layer are one batched product a step, which writes the four gates one after the other;
* the rest of a step, and of a step backwards, is one operation compiled by XLA, which is compiled alone: XLA's own
  products are slow on a CPU. The way back begins with the gates as they came out of the product, so that nothing else
  is kept;
* inputs that are one-hot are looked up, for all steps at once; what is the same in each step is multiplied once;
* the gradients of the weights, of the inputs and of what is looked up are one operation each, over all steps.

With `fused` a layer is one `BlockLSTM` operation for each direction instead: for GPUs, where each operation costs a
launch; slower on a CPU.

The equations and the order of the gates in the kernel (input, candidate, forget, output) are `LSTMBlockCell`'s; see its
documentation in TensorFlow.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable

from models.environment import GPUS, tf

NUM_GATES = 4
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
    fused: bool = bool(GPUS)

    def matmul(self, a: tf.Tensor, b: tf.Tensor, **options) -> tf.Tensor:
        """Returns the product of two float32 tensors as float32."""
        return tf.cast(tf.matmul(tf.cast(a, self.dtype), tf.cast(b, self.dtype), **options), tf.float32)


@dataclasses.dataclass(frozen=True)
class Inputs:
    """What goes into a layer besides its state. The parts are rows of the kernel in this order; None is left out.

    Attributes:
        tokens: `[steps, batch]` int32; the one of a one-hot input, -1 for zeros.
        num_tokens: How many kinds of tokens there are, 0 without.
        dense: `[steps, directions, batch, depth]`.
        constant: `[batch, depth]`, the same in each step.
    """

    tokens: tf.Tensor | None = None
    num_tokens: int = 0
    dense: tf.Tensor | None = None
    constant: tf.Tensor | None = None


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
        return int(self.kernel.shape[2]) // NUM_GATES

    @property
    def directions(self) -> int:
        return int(self.kernel.shape[0])


def outputs(layer: Layer, inputs: Inputs, state: tuple[tf.Tensor, tf.Tensor], computation: Computation) -> tf.Tensor:
    """Returns a layer's output in each step, `[steps, directions, batch, units]`, of the dtype that products take.

    Args:
        layer: Its variables.
        inputs: What goes in.
        state: c and h before the first step, `[directions, batch, units]` each.
        computation: How.
    """
    if computation.fused:
        return _fused(layer, inputs, state)
    return _recur(layer, inputs, state, None, computation)


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
        return _recur(layer, inputs, state, lengths, computation)
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
    if inputs.dense is not None:
        parts.append(inputs.dense)
    if inputs.constant is not None:
        steps = parts[0].shape[0]
        parts.append(tf.tile(inputs.constant[tf.newaxis, tf.newaxis], [steps, directions, 1, 1]))
    return tf.concat(parts, axis=-1)


def _recur(
    layer: Layer,
    inputs: Inputs,
    state: tuple[tf.Tensor, tf.Tensor],
    lengths: tf.Tensor | None,
    computation: Computation,
) -> tf.Tensor:
    """As `last_output`, or without lengths as `outputs`, by a loop over the steps."""
    arrays = {"c": state[0], "h": state[1]} | _terms(layer, inputs, state[0], computation)

    @tf.custom_gradient
    def run(*values: tf.Tensor):
        loop = _Loop(dict(zip(arrays, values, strict=True)), inputs.tokens, lengths, computation.dtype)
        return loop.forward(), loop.backward

    return run(*arrays.values())


def _terms(layer: Layer, inputs: Inputs, state: tf.Tensor, computation: Computation) -> dict[str, tf.Tensor]:
    """Returns what the gates of a step are the sum of, before their activation.

    `kernel` `[directions, depth + units, 4 * units]` is multiplied by `dense` `[steps, directions, batch, depth]`,
    where there is one, beside h. The rows of `table` `[tokens, 4 * units]` are looked up. `constant` is
    `[directions, batch, 4 * units]`. The bias is part of `constant`, or else the row of the kernel that a column of
    ones chooses.
    """
    depth = 0 if inputs.dense is None else int(inputs.dense.shape[-1])
    constant_depth = int(layer.kernel.shape[1]) - inputs.num_tokens - depth - layer.units
    sizes = [inputs.num_tokens, depth, constant_depth, layer.units]
    table, dense_rows, constant_rows, state_rows = tf.split(layer.kernel, sizes, axis=1)
    forget_bias = tf.one_hot(tf.fill([layer.units], FORGET_GATE), NUM_GATES, FORGET_BIAS, axis=0)
    bias = (layer.bias + tf.reshape(forget_bias, [-1]))[:, tf.newaxis]

    terms = {} if inputs.tokens is None else {"table": table[0]}
    if inputs.constant is not None:
        terms["constant"] = computation.matmul(inputs.constant[tf.newaxis], constant_rows) + bias
        kernel, dense = [dense_rows, state_rows], inputs.dense
    else:
        steps = (inputs.tokens if inputs.dense is None else inputs.dense).shape[0]
        dense = tf.ones([steps, layer.directions, state.shape[1], 1], computation.dtype)
        kernel = [dense_rows, bias, state_rows]
        if inputs.dense is not None:
            dense = tf.concat([tf.cast(inputs.dense, computation.dtype), dense], axis=-1)
    terms["kernel"] = tf.concat(kernel, axis=1)
    return terms if dense is None else terms | {"dense": dense}


class _Loop:
    """A layer's loop over the steps, and the loop back.

    In the loops the directions lie one after the other: a state is `[rows, units]`, rows = directions * batch. h goes
    into products alone, so it has their dtype; c is float32.
    """

    def __init__(
        self, arrays: dict[str, tf.Tensor], tokens: tf.Tensor | None, lengths: tf.Tensor | None, dtype: tf.DType
    ) -> None:
        """Takes the terms of `_terms` with the state `c` and `h` `[directions, batch, units]` as `arrays`."""
        self._arrays, self._dtype, self._tokens = arrays, dtype, tokens
        self._directions, self._batch, self._units = map(int, arrays["c"].shape)
        self._rows = self._directions * self._batch
        self._kernel = tf.cast(arrays["kernel"], dtype)
        self._depth = int(self._kernel.shape[1]) - self._units
        self._dense = tf.cast(arrays["dense"], dtype) if "dense" in arrays else None
        self._steps = int((self._dense if tokens is None else tokens).shape[0])
        self._looked_up = self._look_up() if tokens is not None else None
        gates = [self._rows, NUM_GATES, self._units]
        self._constant = [tf.reshape(arrays["constant"], gates)] if "constant" in arrays else []
        # Which step is the last one of each sequence, if it is the last one that is asked for.
        self._ends = None if lengths is None else tf.tile(lengths - 1, [self._directions])

    def forward(self) -> tf.Tensor:
        """Returns the output of each step or the last one, and keeps what `backward` needs."""
        by_gate = tf.reshape(self._kernel, [self._directions, -1, NUM_GATES, self._units])
        kernel = tf.transpose(by_gate, [2, 0, 1, 3])

        def step(t, c, h, last, sequence, kept, factors):
            factor = tf.reshape(h, [self._directions, self._batch, self._units])
            if self._dense is not None:
                factor = tf.concat([self._dense[t], factor], axis=2)
            product = tf.reshape(tf.matmul(factor[tf.newaxis], kernel), [NUM_GATES, self._rows, self._units])
            kept = _write(t, kept, (product, c))
            factors = _write(t, factors, tf.unstack(factor))
            c, h = _compiled(_cell, product, c, self._added(t))
            if self._ends is None:
                sequence = _write(t, sequence, [h])
            else:
                last = self._where_ending(t, lambda ending: tf.where(ending, h, last), lambda: last)
            return t + 1, c, h, last, sequence, kept, factors

        c, h = (tf.reshape(self._arrays[name], [self._rows, self._units]) for name in ("c", "h"))
        h = tf.cast(h, self._dtype)
        kept = [self._array(self._dtype), self._array(tf.float32)]
        factors = [self._array(self._dtype) for _ in range(self._directions)]
        sequence = [] if self._ends is not None else [self._array(self._dtype)]
        start = (tf.constant(0), c, h, h, sequence, kept, factors)
        *_, last, sequence, self._kept, self._factors = self._while(step, start, lambda t: t < self._steps)
        shape = [self._directions, self._batch, self._units]
        return (
            tf.reshape(sequence[0].stack(), [-1, *shape]) if sequence else tf.cast(tf.reshape(last, shape), tf.float32)
        )

    def backward(self, gradient: tf.Tensor) -> list[tf.Tensor]:
        """Returns the gradients of the arrays, in their order, from that of the result."""
        zeros = tf.zeros([self._rows, self._units])
        gradient = tf.cast(tf.reshape(gradient, [-1, self._rows, self._units]), self._dtype)
        state_rows = self._kernel[:, self._depth :]

        def step(t, c_gradient, h_gradient, gate_gradients):
            product, c = (array.read(t) for array in self._kept)
            if self._ends is None:
                h_gradients = [h_gradient, gradient[t]]
            else:
                h_gradients = [
                    self._where_ending(t, lambda ending: tf.where(ending, gradient[0], h_gradient), lambda: h_gradient)
                ]
            gates, c_gradient = _compiled(_cell_gradient, product, c, c_gradient, h_gradients, self._added(t))
            gates = tf.reshape(gates, [self._directions, self._batch, -1])
            h_gradient = tf.reshape(tf.matmul(gates, state_rows, transpose_b=True), zeros.shape)
            return t - 1, c_gradient, h_gradient, _write(t, gate_gradients, tf.unstack(gates))

        gate_gradients = [self._array(self._dtype) for _ in range(self._directions)]
        start = (tf.constant(self._steps - 1), zeros, tf.cast(zeros, self._dtype), gate_gradients)
        _, c_gradient, h_gradient, gate_gradients = self._while(step, start, lambda t: t >= 0)
        if self._ends is not None:  # The last output of an empty sequence is the state that it began with.
            h_gradient = tf.where(self._ends < 0, gradient[0], h_gradient)
        shape = [self._directions, self._batch, self._units]
        gradients = {"c": tf.reshape(c_gradient, shape), "h": tf.reshape(h_gradient, shape)}
        gradients |= self._gradients_of_terms([array.concat() for array in gate_gradients])
        return [tf.cast(gradients[name], array.dtype) for name, array in self._arrays.items()]

    def _gradients_of_terms(self, gates: list[tf.Tensor]) -> dict[str, tf.Tensor]:
        """Returns the gradients of the terms, from those of the gates: `[steps * batch, 4 * units]` a direction."""
        products = [
            tf.matmul(factors.concat(), gate, transpose_a=True)
            for factors, gate in zip(self._factors, gates, strict=True)
        ]
        gradients = {"kernel": tf.stack(products)}
        if "dense" in self._arrays:
            rows = tf.unstack(self._kernel[:, : self._depth])
            products = [tf.matmul(gate, row, transpose_b=True) for gate, row in zip(gates, rows, strict=True)]
            dense = tf.reshape(tf.stack(products), [self._directions, self._steps, self._batch, self._depth])
            gradients["dense"] = tf.transpose(dense, [1, 0, 2, 3])
        if "constant" in self._arrays:
            by_step = [tf.reshape(gate, [self._steps, self._batch, -1]) for gate in gates]
            gradients["constant"] = tf.stack([tf.reduce_sum(tf.cast(each, tf.float32), axis=0) for each in by_step])
        if "table" in self._arrays:  # Token -1 adds to nothing.
            gradients["table"] = tf.math.unsorted_segment_sum(
                tf.cast(gates[0], tf.float32), tf.reshape(self._tokens, [-1]), int(self._arrays["table"].shape[0])
            )
        return gradients

    def _look_up(self) -> tf.Tensor:
        """Returns `[steps, rows, 4, units]`, the rows of the table; zeros for token -1."""
        table = tf.cast(tf.pad(self._arrays["table"], [(0, 1), (0, 0)]), self._dtype)
        row_of_zeros = tf.fill(self._tokens.shape, int(table.shape[0]) - 1)
        looked_up = tf.gather(table, tf.where(self._tokens < 0, row_of_zeros, self._tokens))
        return tf.reshape(looked_up, [self._steps, self._rows, NUM_GATES, self._units])

    def _added(self, t: tf.Tensor) -> list[tf.Tensor]:
        """Returns what is added to the product in step t, `[rows, 4, units]` each."""
        return self._constant if self._looked_up is None else [self._looked_up[t], *self._constant]

    def _where_ending(self, t: tf.Tensor, if_any: Callable, otherwise: Callable) -> tf.Tensor:
        """Returns what `if_any` makes of which sequences end in step t, `[rows]` bool, where any does."""
        ending = tf.equal(self._ends, t)
        return tf.cond(tf.reduce_any(ending), lambda: if_any(ending), otherwise)

    def _array(self, dtype: tf.DType) -> tf.TensorArray:
        return tf.TensorArray(dtype, self._steps)

    def _while(self, step: Callable, start: tuple, goes_on: Callable) -> tuple:
        return tf.while_loop(lambda t, *_: goes_on(t), step, start, back_prop=False, parallel_iterations=1)


def _write(t: tf.Tensor, arrays: list[tf.TensorArray], values: Iterable[tf.Tensor]) -> list[tf.TensorArray]:
    return [array.write(t, value) for array, value in zip(arrays, values, strict=True)]


def _compiled(function: Callable, *arguments: tf.Tensor | list[tf.Tensor]) -> tuple[tf.Tensor, ...]:
    """Calls `function` as one operation, compiled by XLA."""
    specs = tf.nest.map_structure(lambda tensor: tf.TensorSpec(tensor.shape, tensor.dtype), arguments)
    # Called directly, a `tf.function` puts its operation outside of the loop around it.
    return _function(function, tf.get_default_graph()).get_concrete_function(*specs)(*arguments)


@functools.lru_cache(maxsize=4)
def _function(function: Callable, _graph: tf.Graph) -> Callable:
    """Returns what compiles `function` once for all layers of a graph whose shapes are the same."""
    return tf.function(function, jit_compile=True, autograph=False)


def _cell(product: tf.Tensor, c: tf.Tensor, added: list[tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the next c, float32 `[rows, units]`, and h, of the product's dtype.

    Args:
        product: `[4, rows, units]`, any dtype.
        c: `[rows, units]`.
        added: `[rows, 4, units]` each, any dtype.
    """
    i, g, f, o = _activate(product, added)
    c = i * g + f * c
    return c, tf.cast(o * tf.tanh(c), product.dtype)


def _cell_gradient(
    product: tf.Tensor, c: tf.Tensor, c_gradient: tf.Tensor, h_gradients: list[tf.Tensor], added: list[tf.Tensor]
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the gradients of the gates before their activation, `[rows, 4, units]`, and of c before the step.

    Args:
        product: As in `_cell`.
        c: Before the step.
        c_gradient: Of c after the step.
        h_gradients: Of h after the step, to be added up, `[rows, units]` each, any dtype.
        added: As in `_cell`.
    """
    h_gradient = sum(tf.cast(each, tf.float32) for each in h_gradients)
    i, g, f, o = _activate(product, added)
    tanh_c = tf.tanh(i * g + f * c)
    c_gradient += h_gradient * o * (1 - tf.square(tanh_c))
    gates = (
        c_gradient * g * i * (1 - i),
        c_gradient * i * (1 - tf.square(g)),
        c_gradient * c * f * (1 - f),
        h_gradient * tanh_c * o * (1 - o),
    )
    return tf.stack([tf.cast(gate, product.dtype) for gate in gates], axis=1), c_gradient * f


def _activate(product: tf.Tensor, added: Iterable[tf.Tensor]) -> list[tf.Tensor]:
    """Returns the gates i, g, f, o, `[rows, units]` float32 each."""
    gates = [tf.cast(gate, tf.float32) for gate in tf.unstack(product)]
    for each in added:
        gates = [gate + tf.cast(more, tf.float32) for gate, more in zip(gates, tf.unstack(each, axis=1), strict=True)]
    activations = (tf.sigmoid, tf.tanh, tf.sigmoid, tf.sigmoid)
    return [activate(gate) for activate, gate in zip(activations, gates, strict=True)]
