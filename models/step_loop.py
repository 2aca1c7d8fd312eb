"""A stack of LSTM layers computed step by step: the loops of the forward and of the backward pass.

`recurrence` says what is computed. Names here: `rows` are all sequences of all directions, one direction after the
other; `pre_activations` are the inputs of a unit's four activation functions, the sum of a `product` and of what is
`added` to it; a step's `factor` is the matrix that the kernel is multiplied by.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable

from models.magenta import tf

NUM_GATES = 4
PARALLEL_STEPS = 2  # So a lower layer's next step runs beside the upper layer's.
NUM_CHUNKS = 4  # Of the backward pass: the weight gradients of one are computed beside the steps of the next.


class StepLayer:
    """A layer in the loop.

    The pre-activations of a step are the sum of the factor's product with the kernel, of rows of a table, which are
    looked up for all steps at once, and of a constant. A layer that has only a state and a kernel lies above another.
    """

    def __init__(
        self,
        arrays: dict[str, tf.Tensor],
        dtype: tf.DType,
        *,
        data: tf.Tensor | None = None,
        tokens: tf.Tensor | None = None,
        mask: tf.Tensor | None = None,
    ) -> None:
        """Takes the layer's arrays.

        Args:
            arrays: Those that need a gradient: `c` and `h`, the state `[directions, batch, units]`; `kernel`
                `[directions, depth + units, 4 * units]`; optionally `dense` `[steps, directions, batch, depth]`,
                `table` `[num_tokens, 4 * units]`, and `constant` `[directions, batch, 4 * units]`. The kernel has rows
                for `data`, for `dense` and for h; in a layer above another one for the bias, for the output of the
                layer below, and for h.
            dtype: The type of matrix products.
            data: Inputs that need no gradient, `[steps, directions, batch, depth]`.
            tokens: `[steps, batch]`, row numbers of the table, -1 for zeros.
            mask: The dropout mask of the output of the layer below, `[steps, rows, depth]`.
        """
        self.arrays, self.dtype = arrays, dtype
        self.directions, self.batch, self.units = map(int, arrays["c"].shape)
        self.rows = self.directions * self.batch
        self._tokens, self._mask = tokens, mask
        inputs = [each for each in (data, arrays.get("dense")) if each is not None]
        self._inputs = [tf.cast(each, dtype) for each in inputs]
        self._is_above = not inputs and "constant" not in arrays

        kernel = tf.cast(arrays["kernel"], dtype)
        by_gate = tf.reshape(kernel, [self.directions, -1, NUM_GATES, self.units])
        self._kernel_by_gate = tf.transpose(by_gate, [2, 0, 1, 3])
        # Sliced in the loop, these would be copied in each step.
        depth = sum(int(each.shape[-1]) for each in inputs)
        self._kernel_back = kernel[:, 1 if self._is_above else depth :]
        self._dense_rows = kernel[:, 0 if data is None else int(data.shape[-1]) : depth]

        self._ones = tf.ones([self.directions, self.batch, 1], dtype)
        self._looked_up = None if tokens is None else self._look_up()
        shape = [self.rows, NUM_GATES, self.units]
        self._constant = [tf.reshape(arrays["constant"], shape)] if "constant" in arrays else []

    @property
    def first_state(self) -> list[tf.Tensor]:
        """c, float32, and h, which is used in products alone and has their dtype, `[rows, units]` each."""
        c, h = (tf.reshape(self.arrays[name], [self.rows, self.units]) for name in ("c", "h"))
        return [c, tf.cast(h, self.dtype)]

    def factor(self, t: tf.Tensor, below: tf.Tensor | None, h: tf.Tensor) -> tf.Tensor:
        """Returns the factor of step t, `[directions, batch, depth + units]`.

        Args:
            t: The step.
            below: The output of the layer below in this step, `[rows, depth]`; None in the lowest layer.
            h: The layer's output in the step before, `[rows, units]`.
        """
        h = tf.reshape(h, [self.directions, self.batch, self.units])
        if below is None:
            inputs = [each[t] for each in self._inputs]
        else:
            inputs = [self._ones, tf.reshape(self._dropout(t, below), [self.directions, self.batch, -1])]
        return tf.concat([*inputs, h], axis=2) if inputs else h

    def multiply(self, factor: tf.Tensor) -> tf.Tensor:
        """Returns the product with the kernel, `[4, rows, units]`."""
        return tf.reshape(tf.matmul(factor[tf.newaxis], self._kernel_by_gate), [NUM_GATES, self.rows, self.units])

    def added(self, t: tf.Tensor) -> list[tf.Tensor]:
        """Returns what is added to the product in step t, `[rows, 4, units]` each."""
        return self._constant if self._looked_up is None else [self._looked_up[t], *self._constant]

    def multiply_back(self, t: tf.Tensor, gradient: tf.Tensor) -> tuple[tf.Tensor | None, tf.Tensor]:
        """Returns the gradients of the output of the layer below, None in the lowest, and of h before the step.

        The gradient of `dense` is computed for many steps at once, by `dense_gradient`.

        Args:
            t: The step.
            gradient: That of the pre-activations, `[directions, batch, 4 * units]`.
        """
        product = tf.matmul(gradient, self._kernel_back, transpose_b=True)
        if not self._is_above:
            return None, tf.reshape(product, [self.rows, self.units])
        below, h = tf.split(tf.reshape(product, [self.rows, -1]), [-1, self.units], axis=1)
        return self._dropout(t, below), h

    def weight_gradients(
        self, steps: tf.Tensor, factors: list[tf.Tensor], gradients: list[tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        """Returns the gradients of kernel, constant and table, float32, summed over some steps; one operation each.

        Args:
            steps: The numbers of the steps.
            factors: `[len(steps) * batch, depth + units]` for each direction.
            gradients: Those of the pre-activations, `[len(steps) * batch, 4 * units]` for each direction.
        """
        products = [tf.matmul(*pair, transpose_a=True) for pair in zip(factors, gradients, strict=True)]
        sums = {"kernel": tf.cast(tf.stack(products), tf.float32)}
        if "constant" in self.arrays:
            by_step = [tf.reshape(each, [-1, self.batch, NUM_GATES * self.units]) for each in gradients]
            sums["constant"] = tf.stack([tf.reduce_sum(tf.cast(each, tf.float32), axis=0) for each in by_step])
        if "table" in self.arrays:  # Token -1 adds to nothing.
            tokens = tf.reshape(tf.gather(self._tokens, steps), [-1])
            num_tokens = int(self.arrays["table"].shape[0])
            sums["table"] = tf.math.unsorted_segment_sum(tf.cast(gradients[0], tf.float32), tokens, num_tokens)
        return sums

    def zero_weight_gradients(self) -> dict[str, tf.Tensor]:
        """Returns the `weight_gradients` of no steps."""
        names = [name for name in ("kernel", "constant", "table") if name in self.arrays]
        return {name: tf.zeros(self.arrays[name].shape) for name in names}

    def dense_gradient(self, gradients: list[tf.Tensor]) -> tf.Tensor:
        """Returns the gradient of `dense` in some steps, `[steps, directions, batch, depth]`, a product a direction.

        Args:
            gradients: Those of the pre-activations, `[steps * batch, 4 * units]` for each direction.
        """
        rows = tf.unstack(self._dense_rows)
        products = [tf.matmul(*pair, transpose_b=True) for pair in zip(gradients, rows, strict=True)]
        return tf.stack([tf.reshape(product, [-1, self.batch, product.shape[-1]]) for product in products], axis=1)

    def _dropout(self, t: tf.Tensor, below: tf.Tensor) -> tf.Tensor:
        """Returns the output of the layer below, or the gradient of it, after dropout."""
        return below if self._mask is None else below * self._mask[t]

    def _look_up(self) -> tf.Tensor:
        """Returns the tokens' rows of the table, zeros for token -1, `[steps, rows, 4, units]`."""
        table = tf.cast(tf.pad(self.arrays["table"], [(0, 1), (0, 0)]), self.dtype)
        row_of_zeros = tf.fill(self._tokens.shape, int(table.shape[0]) - 1)
        looked_up = tf.gather(table, tf.where(self._tokens < 0, row_of_zeros, self._tokens))
        return tf.reshape(looked_up, [-1, self.rows, NUM_GATES, self.units])


class StepLoop:
    """The forward and the backward pass over the steps of a stack of layers."""

    def __init__(self, layers: list[StepLayer], steps: int, lengths: tf.Tensor | None) -> None:
        """Takes the stack, the lowest layer first; both passes are made once.

        Where only the last output of each sequence is needed, `lengths` is theirs, `[batch]`; None is for all outputs.
        """
        self._layers, self._steps = layers, steps
        self._dtype, top = layers[0].dtype, layers[-1]
        self._ends = None if lengths is None else tf.tile(lengths - 1, [top.directions])
        self._shape = [top.directions, top.batch, top.units]

    def forward(self) -> tf.Tensor:
        """Returns the outputs of the top layer, `[steps, directions, batch, units]`, or its last one."""

        def step(t, states, last, sequence, saved, factors):
            output = None
            states, saved, factors = list(states), list(saved), list(factors)
            for number, layer in enumerate(self._layers):
                c, h = states[number]
                factor = layer.factor(t, output, h)
                product = layer.multiply(factor)
                saved[number] = _write(t, saved[number], (product, c))
                factors[number] = _write(t, factors[number], tf.unstack(factor))
                c, output = _compiled(_cell, product, c, layer.added(t))
                states[number] = [c, output]
            if self._ends is None:
                sequence = _write(t, sequence, [output])
            else:
                last = self._where_ending(t, output, last)
            return t + 1, states, last, sequence, saved, factors

        states = [layer.first_state for layer in self._layers]
        saved = [[self._array(self._dtype), self._array(tf.float32)] for _ in self._layers]
        factors = [[self._array(self._dtype) for _ in range(layer.directions)] for layer in self._layers]
        sequence = [] if self._ends is not None else [self._array(self._dtype)]
        start = (tf.constant(0), states, states[-1][1], sequence, saved, factors)
        *_, last, sequence, self._saved, self._factors = _loop(step, start, lambda t: t < self._steps)
        if sequence:
            return tf.reshape(sequence[0].stack(), [self._steps, *self._shape])
        return tf.cast(tf.reshape(last, self._shape), tf.float32)

    def backward(self, gradient: tf.Tensor) -> list[dict[str, tf.Tensor]]:
        """Returns the gradients of each layer's arrays; `gradient` is that of what `forward` returned."""
        lowest, top = self._layers[0], self._layers[-1]
        gradient = tf.cast(tf.reshape(gradient, [-1, top.rows, top.units]), self._dtype)
        num_chunks = math.gcd(self._steps, NUM_CHUNKS)
        length = self._steps // num_chunks

        def chunk(number, state_gradients, weight_gradients, dense):
            steps = number * length + tf.range(length)
            state_gradients, pre_activation_gradients = self._steps_back(steps, state_gradients, gradient)
            factors = [[_joined(array.gather(steps)) for array in arrays] for arrays in self._factors]
            more = [
                layer.weight_gradients(steps, *each)
                for layer, *each in zip(self._layers, factors, pre_activation_gradients, strict=True)
            ]
            if "dense" in lowest.arrays:
                dense = dense.write(number, lowest.dense_gradient(pre_activation_gradients[0]))
            return number - 1, state_gradients, tf.nest.map_structure(tf.add, weight_gradients, more), dense

        zeros = [tf.zeros([layer.rows, layer.units]) for layer in self._layers]
        state_gradients = [[zero, tf.cast(zero, self._dtype)] for zero in zeros]
        weight_gradients = [layer.zero_weight_gradients() for layer in self._layers]
        dense = tf.TensorArray(self._dtype, num_chunks)
        start = (tf.constant(num_chunks - 1), state_gradients, weight_gradients, dense)
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
        """Makes the backward pass over some steps, without the weight gradients.

        Takes the gradients of each layer's c and h after these steps, and that of what `forward` returned. Returns the
        gradients of c and h before these steps, and of the pre-activations, `[len(steps) * batch, 4 * units]` for each
        direction.
        """

        def step(t, state_gradients, gradients):
            from_above = [] if self._ends is not None else [gradient[t]]
            state_gradients, gradients = list(state_gradients), list(gradients)
            for number, layer in reversed(list(enumerate(self._layers))):
                c_gradient, h_gradient = state_gradients[number]
                if layer is self._layers[-1] and self._ends is not None:
                    h_gradient = self._where_ending(t, gradient[0], h_gradient)
                product, c = (array.read(t) for array in self._saved[number])
                of_step, c_gradient = _compiled(
                    _cell_gradient, product, c, c_gradient, [h_gradient, *from_above], layer.added(t)
                )
                of_step = tf.reshape(of_step, [layer.directions, layer.batch, -1])
                gradients[number] = _write(t - steps[0], gradients[number], tf.unstack(of_step))
                below, h_gradient = layer.multiply_back(t, of_step)
                from_above = [below]
                state_gradients[number] = [c_gradient, h_gradient]
            return t - 1, state_gradients, gradients

        length = steps.shape[0]
        gradients = [[tf.TensorArray(self._dtype, length) for _ in range(layer.directions)] for layer in self._layers]
        _, state_gradients, gradients = _loop(step, (steps[-1], state_gradients, gradients), lambda t: t >= steps[0])
        return state_gradients, [[array.concat() for array in arrays] for arrays in gradients]

    def _where_ending(self, t: tf.Tensor, at_end: tf.Tensor, otherwise: tf.Tensor) -> tf.Tensor:
        """Returns `at_end` in the rows of sequences that end in step t, `otherwise` in others, `[rows, units]`."""
        ending = tf.equal(self._ends, t)
        return tf.cond(tf.reduce_any(ending), lambda: tf.where(ending, at_end, otherwise), lambda: otherwise)

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
    """Returns a `tf.function` that is compiled once for all layers of a graph with the same shapes."""
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
    """Returns the gradients of the pre-activations, `[rows, 4, units]`, and of c before the step.

    Args:
        product: As in `_cell`.
        c: The state before the step.
        c_gradient: The gradient of c after the step.
        h_gradients: Gradients of h after the step, which add up, `[rows, units]` each, any dtype.
        added: As in `_cell`.
    """
    h_gradient = sum(tf.cast(each, tf.float32) for each in h_gradients)
    i, g, f, o = _activate(product, added)
    tanh_c = tf.tanh(i * g + f * c)
    c_gradient += h_gradient * o * (1 - tf.square(tanh_c))
    gradients = (
        c_gradient * g * i * (1 - i),
        c_gradient * i * (1 - tf.square(g)),
        c_gradient * c * f * (1 - f),
        h_gradient * tanh_c * o * (1 - o),
    )
    return tf.stack([tf.cast(each, product.dtype) for each in gradients], axis=1), c_gradient * f


def _activate(product: tf.Tensor, added: Iterable[tf.Tensor]) -> list[tf.Tensor]:
    """Returns the gates i, g, f, o, `[rows, units]` float32 each."""
    sums = [tf.cast(each, tf.float32) for each in tf.unstack(product)]
    for terms in added:
        sums = [each + tf.cast(term, tf.float32) for each, term in zip(sums, tf.unstack(terms, axis=1), strict=True)]
    functions = (tf.sigmoid, tf.tanh, tf.sigmoid, tf.sigmoid)
    return [function(pre_activation) for function, pre_activation in zip(functions, sums, strict=True)]
