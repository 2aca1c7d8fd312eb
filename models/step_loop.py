"""A stack of LSTM layers computed step by step: the loop over the steps, and the loop back, as TensorFlow operations.

What `recurrence` promises is computed here. Names: `rows` are all sequences of all directions, one direction after the
other; `gates` are the four values of each unit before their activation; a step's `factor` is what the kernel is
multiplied by.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable

from models.magenta import tf

NUM_GATES = 4
PARALLEL_STEPS = 2  # So a lower layer's next step runs beside the upper layer's.
NUM_CHUNKS = 4  # Of the steps on the way back: the products over one run beside the steps of the next.


class StepLayer:
    """A layer in the loop.

    The gates of a step are the sum of the kernel's product with the factor, of rows of a table that are looked up for
    all steps at once, and of a constant. A layer that has only a state and a kernel is above another one.
    """

    def __init__(
        self, arrays: dict[str, tf.Tensor], data: tf.Tensor | None, tokens: tf.Tensor | None, dtype: tf.DType
    ) -> None:
        """Takes what goes in.

        Args:
            arrays: What gradients are wanted of: `c` and `h`, the state `[directions, batch, units]`; `kernel`
                `[directions, depth + units, 4 * units]`; where there are, `dense` `[steps, directions, batch, depth]`,
                `table` `[num_tokens, 4 * units]`, and `constant` `[directions, batch, 4 * units]`. The kernel's rows
                are those of `data`, of `dense` and of h; in a layer above another one the bias, those of the layer
                below, and of h.
            data: What no gradient is wanted of, `[steps, directions, batch, depth]`.
            tokens: `[steps, batch]`, what to look up in the table, -1 for zeros.
            dtype: Of the factors of products.
        """
        self.arrays, self.dtype = arrays, dtype
        self.directions, self.batch, self.units = map(int, arrays["c"].shape)
        self.rows = self.directions * self.batch
        inputs = [each for each in (data, arrays.get("dense")) if each is not None]
        self._inputs = [tf.cast(each, dtype) for each in inputs]
        self._is_above = not inputs and "constant" not in arrays

        self._kernel = tf.cast(arrays["kernel"], dtype)
        by_gate = tf.reshape(self._kernel, [self.directions, -1, NUM_GATES, self.units])
        self._kernel_by_gate = tf.transpose(by_gate, [2, 0, 1, 3])
        # Sliced in the loop, these would be copied in each step.
        depth = sum(int(each.shape[-1]) for each in inputs)
        self._kernel_back = self._kernel[:, 1 if self._is_above else depth :]
        self._dense_rows = self._kernel[:, 0 if data is None else int(data.shape[-1]) : depth]

        self._ones = tf.ones([self.directions, self.batch, 1], dtype)
        self._tokens = tokens
        self._looked_up = None if tokens is None else self._look_up()
        gates = [self.rows, NUM_GATES, self.units]
        self._constant = [tf.reshape(arrays["constant"], gates)] if "constant" in arrays else []

    @property
    def first_state(self) -> list[tf.Tensor]:
        """c, float32, and h, which goes into products alone and has their dtype, `[rows, units]` each."""
        c, h = (tf.reshape(self.arrays[name], [self.rows, self.units]) for name in ("c", "h"))
        return [c, tf.cast(h, self.dtype)]

    def factor(self, t: tf.Tensor, below: tf.Tensor | None, h: tf.Tensor) -> tf.Tensor:
        """Returns step t's `[directions, batch, depth + units]`; `below` is the output below, `[rows, depth]`."""
        parts = [tf.reshape(h, [self.directions, self.batch, self.units])]
        if below is not None:
            parts = [self._ones, tf.reshape(below, [self.directions, self.batch, -1]), *parts]
        else:
            parts = [*(each[t] for each in self._inputs), *parts]
        return tf.concat(parts, axis=2) if len(parts) > 1 else parts[0]

    def multiply(self, factor: tf.Tensor) -> tf.Tensor:
        """Returns the product with the kernel, `[4, rows, units]`."""
        return tf.reshape(tf.matmul(factor[tf.newaxis], self._kernel_by_gate), [NUM_GATES, self.rows, self.units])

    def added(self, t: tf.Tensor) -> list[tf.Tensor]:
        """Returns what is added to the product in step t, `[rows, 4, units]` each."""
        return self._constant if self._looked_up is None else [self._looked_up[t], *self._constant]

    def multiply_back(self, gates: tf.Tensor) -> tuple[tf.Tensor | None, tf.Tensor]:
        """Returns the gradients of the layer below's output, where this one is above another, and of h before the step.

        That of `dense` is computed for many steps at once, by `dense_gradient`.

        Args:
            gates: Their gradients, `[directions, batch, 4 * units]`.
        """
        product = tf.matmul(gates, self._kernel_back, transpose_b=True)
        if not self._is_above:
            return None, tf.reshape(product, [self.rows, self.units])
        below, h = tf.split(tf.reshape(product, [self.rows, -1]), [-1, self.units], axis=1)
        return below, h

    def sums(self, steps: tf.Tensor, factors: list[tf.Tensor], gates: list[tf.Tensor]) -> dict[str, tf.Tensor]:
        """Returns the gradients of what is the same in each step, float32, summed over some steps; one operation each.

        Args:
            steps: Their numbers.
            factors: `[len(steps) * batch, depth + units]` for each direction.
            gates: Their gradients, `[len(steps) * batch, 4 * units]` for each direction.
        """
        products = [tf.matmul(*pair, transpose_a=True) for pair in zip(factors, gates, strict=True)]
        sums = {"kernel": tf.cast(tf.stack(products), tf.float32)}
        if "constant" in self.arrays:
            by_step = [tf.reshape(gate, [-1, self.batch, NUM_GATES * self.units]) for gate in gates]
            sums["constant"] = tf.stack([tf.reduce_sum(tf.cast(each, tf.float32), axis=0) for each in by_step])
        if "table" in self.arrays:  # Token -1 adds to nothing.
            tokens = tf.reshape(tf.gather(self._tokens, steps), [-1])
            num_tokens = int(self.arrays["table"].shape[0])
            sums["table"] = tf.math.unsorted_segment_sum(tf.cast(gates[0], tf.float32), tokens, num_tokens)
        return sums

    def no_sums(self) -> dict[str, tf.Tensor]:
        """Returns the `sums` of no steps."""
        names = [name for name in ("kernel", "constant", "table") if name in self.arrays]
        return {name: tf.zeros(self.arrays[name].shape) for name in names}

    def dense_gradient(self, gates: list[tf.Tensor]) -> tf.Tensor:
        """Returns that of `dense` in some steps, `[steps, directions, batch, depth]`, one product for a direction.

        Args:
            gates: Their gradients, `[steps * batch, 4 * units]` for each direction.
        """
        rows = tf.unstack(self._dense_rows)
        products = [tf.matmul(*pair, transpose_b=True) for pair in zip(gates, rows, strict=True)]
        return tf.stack([tf.reshape(product, [-1, self.batch, product.shape[-1]]) for product in products], axis=1)

    def _look_up(self) -> tf.Tensor:
        """Returns `[steps, rows, 4, units]`, the rows of the table; zeros for token -1."""
        table = tf.cast(tf.pad(self.arrays["table"], [(0, 1), (0, 0)]), self.dtype)
        row_of_zeros = tf.fill(self._tokens.shape, int(table.shape[0]) - 1)
        looked_up = tf.gather(table, tf.where(self._tokens < 0, row_of_zeros, self._tokens))
        return tf.reshape(looked_up, [-1, self.rows, NUM_GATES, self.units])


class StepLoop:
    """The loop over the steps of a stack of layers, and the loop back."""

    def __init__(
        self, layers: list[StepLayer], masks: list[tf.Tensor | None], steps: int, lengths: tf.Tensor | None
    ) -> None:
        """Prepares.

        Args:
            layers: The first one is the lowest.
            masks: What the input of each layer above the first is multiplied by, `[steps, rows, units below]`.
            steps: How many.
            lengths: `[batch]`, of the sequences, where only their last output is wanted; None where all are.
        """
        self._layers, self._masks, self._steps = layers, [None, *masks], steps
        self._dtype, top = layers[0].dtype, layers[-1]
        self._ends = None if lengths is None else tf.tile(lengths - 1, [top.directions])
        self._shape = [top.directions, top.batch, top.units]

    def forward(self) -> tf.Tensor:
        """Returns the top layer's outputs, `[steps, directions, batch, units]`, or its last one."""

        def step(t, states, last, sequence, kept, factors):
            output = None
            states, kept, factors = list(states), list(kept), list(factors)
            for number, layer in enumerate(self._layers):
                c, h = states[number]
                factor = layer.factor(t, self._masked(number, t, output), h)
                product = layer.multiply(factor)
                kept[number] = _write(t, kept[number], (product, c))
                factors[number] = _write(t, factors[number], tf.unstack(factor))
                c, output = _compiled(_cell, product, c, layer.added(t))
                states[number] = [c, output]
            if self._ends is None:
                sequence = _write(t, sequence, [output])
            else:
                last = self._where_ending(t, lambda ending: tf.where(ending, output, last), lambda: last)
            return t + 1, states, last, sequence, kept, factors

        states = [layer.first_state for layer in self._layers]
        kept = [[self._array(self._dtype), self._array(tf.float32)] for _ in self._layers]
        factors = [[self._array(self._dtype) for _ in range(layer.directions)] for layer in self._layers]
        sequence = [] if self._ends is not None else [self._array(self._dtype)]
        start = (tf.constant(0), states, states[-1][1], sequence, kept, factors)
        *_, last, sequence, self._kept, self._factors = _loop(step, start, lambda t: t < self._steps)
        if sequence:
            return tf.reshape(sequence[0].stack(), [self._steps, *self._shape])
        return tf.cast(tf.reshape(last, self._shape), tf.float32)

    def backward(self, gradient: tf.Tensor) -> list[dict[str, tf.Tensor]]:
        """Returns the gradients of each layer's arrays from that of the result."""
        lowest, top = self._layers[0], self._layers[-1]
        gradient = tf.cast(tf.reshape(gradient, [-1, top.rows, top.units]), self._dtype)
        num_chunks = math.gcd(self._steps, NUM_CHUNKS)
        length = self._steps // num_chunks

        def chunk(number, state_gradients, sums, dense):
            steps = number * length + tf.range(length)
            state_gradients, gate_gradients = self._steps_back(steps, state_gradients, gradient)
            factors = [[_joined(array.gather(steps)) for array in arrays] for arrays in self._factors]
            more = [
                layer.sums(steps, *each) for layer, *each in zip(self._layers, factors, gate_gradients, strict=True)
            ]
            if "dense" in lowest.arrays:
                dense = dense.write(number, lowest.dense_gradient(gate_gradients[0]))
            return number - 1, state_gradients, tf.nest.map_structure(tf.add, sums, more), dense

        zeros = [tf.zeros([layer.rows, layer.units]) for layer in self._layers]
        state_gradients = [[zero, tf.cast(zero, self._dtype)] for zero in zeros]
        sums = [layer.no_sums() for layer in self._layers]
        start = (tf.constant(num_chunks - 1), state_gradients, sums, tf.TensorArray(self._dtype, num_chunks))
        _, state_gradients, gradients, dense = _loop(chunk, start, lambda number: number >= 0)
        if self._ends is not None:  # The last output of an empty sequence is the state that it began with.
            state_gradients[-1][1] = tf.where(self._ends < 0, gradient[0], state_gradients[-1][1])
        for of_layer, (of_c, of_h) in zip(gradients, state_gradients, strict=True):
            of_layer |= {"c": of_c, "h": of_h}
        if "dense" in lowest.arrays:
            gradients[0]["dense"] = dense.concat()
        return [
            {
                name: tf.cast(tf.reshape(of_layer[name], array.shape), array.dtype)
                for name, array in layer.arrays.items()
            }
            for layer, of_layer in zip(self._layers, gradients, strict=True)
        ]

    def _steps_back(self, steps: tf.Tensor, state_gradients: list, gradient: tf.Tensor) -> tuple[list, list]:
        """Takes the gradients of the states some steps back.

        Args:
            steps: Their numbers.
            state_gradients: Gradients of c and h of each layer after them.
            gradient: Of the result.

        Returns:
            The gradients of c and h of each layer before them, and of its gates in all of them,
            `[len(steps) * batch, 4 * units]` for each direction.
        """

        def step(t, state_gradients, gate_gradients):
            from_above = [] if self._ends is not None else [gradient[t]]
            state_gradients, gate_gradients = list(state_gradients), list(gate_gradients)
            for number, layer in reversed(list(enumerate(self._layers))):
                c_gradient, h_gradient = state_gradients[number]
                if layer is self._layers[-1] and self._ends is not None:
                    h_gradient = self._with_last(t, h_gradient, gradient[0])
                product, c = (array.read(t) for array in self._kept[number])
                of_gates, c_gradient = _compiled(
                    _cell_gradient, product, c, c_gradient, [h_gradient, *from_above], layer.added(t)
                )
                of_gates = tf.reshape(of_gates, [layer.directions, layer.batch, -1])
                gate_gradients[number] = _write(t - steps[0], gate_gradients[number], tf.unstack(of_gates))
                below, h_gradient = layer.multiply_back(of_gates)
                from_above = [self._masked(number, t, below)]
                state_gradients[number] = [c_gradient, h_gradient]
            return t - 1, state_gradients, gate_gradients

        length = steps.shape[0]
        gate_gradients = [
            [tf.TensorArray(self._dtype, length) for _ in range(layer.directions)] for layer in self._layers
        ]
        _, state_gradients, gate_gradients = _loop(
            step, (steps[-1], state_gradients, gate_gradients), lambda t: t >= steps[0]
        )
        return state_gradients, [[array.concat() for array in arrays] for arrays in gate_gradients]

    def _masked(self, number: int, t: tf.Tensor, values: tf.Tensor | None) -> tf.Tensor | None:
        """Returns what a layer's input from below, or its gradient, is after dropout."""
        mask = self._masks[number]
        return values if mask is None else values * mask[t]

    def _with_last(self, t: tf.Tensor, h_gradient: tf.Tensor, gradient: tf.Tensor) -> tf.Tensor:
        """Returns the gradient of h, which where a sequence ends is that of the last output alone."""
        return self._where_ending(t, lambda ending: tf.where(ending, gradient, h_gradient), lambda: h_gradient)

    def _where_ending(self, t: tf.Tensor, if_any: Callable, otherwise: Callable) -> tf.Tensor:
        """Returns what `if_any` makes of which sequences end in step t, `[rows]` bool, where any does."""
        ending = tf.equal(self._ends, t)
        return tf.cond(tf.reduce_any(ending), lambda: if_any(ending), otherwise)

    def _array(self, dtype: tf.DType) -> tf.TensorArray:
        return tf.TensorArray(dtype, self._steps)


def _loop(step: Callable, start: tuple, goes_on: Callable) -> tuple:
    return tf.while_loop(lambda t, *_: goes_on(t), step, start, back_prop=False, parallel_iterations=PARALLEL_STEPS)


def _write(t: tf.Tensor, arrays: list[tf.TensorArray], values: Iterable[tf.Tensor]) -> list[tf.TensorArray]:
    return [array.write(t, value) for array, value in zip(arrays, values, strict=True)]


def _joined(steps: tf.Tensor) -> tf.Tensor:
    """Returns `[steps, batch, depth]` as `[steps * batch, depth]`."""
    return tf.reshape(steps, [-1, steps.shape[-1]])


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
