"""LSTM layers for GPUs, where each kernel costs a launch: `BlockLSTM`, with a gradient of fewer kernels than its own.

`BlockLSTM` is one operation that starts three kernels a step, and its gradient twenty for each direction: two products,
and each gate by itself (`tensorflow/core/kernels/rnn/lstm_ops.h` of TensorFlow 2.21). Here

* a step of the backward pass is `LSTMBlockCellGrad`, which is one kernel for all gates and three for peepholes that are
  not there, one product and one sum;
* all directions of a layer share it: their examples lie below each other as if they were one batch, and the product is
  a batched one. Nothing is multiplied that the directions would not multiply by themselves;
* the gradients of weights, bias and inputs are one operation each, for all steps at once.
"""

from __future__ import annotations

from collections.abc import Sequence

from models import devices
from models.magenta import tf
from models.step_loop import NUM_GATES

_SAVED = ("cs", "i", "f", "o", "ci", "co")  # What `LSTMBlockCellGrad` takes of a step.


def outputs(
    data: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor, state: tuple[tf.Tensor, tf.Tensor], forget_bias: float
) -> tf.Tensor:
    """Returns the output of each step, `[steps, directions, batch, units]`.

    Args:
        data: `[steps, directions, batch, depth]`.
        kernel: `[directions, depth + units, 4 * units]`.
        bias: `[directions, 4 * units]`.
        state: c and h before the first step, `[directions, batch, units]` each.
        forget_bias: Added to the bias of the forget gate.
    """

    @tf.custom_gradient
    def run(data, kernel, bias, c, h):
        parts = [_unstack(data, 1), *(_unstack(each, 0) for each in (kernel, bias, c, h))]
        made = [_block(*of_direction, forget_bias) for of_direction in zip(*parts, strict=True)]
        found = _stack([each.h for each in made])

        def backward(upstream):
            saved = {name: _stack([getattr(each, name) for each in made]) for name in _SAVED}
            of_gates, of_c, of_h = _backward_steps(saved, upstream, kernel, c)
            before = tf.concat([tf.expand_dims(h, 0), found[:-1]], axis=0)
            return *_of_all_steps(of_gates, data, before, kernel), of_c, of_h

        return found, backward

    return run(data, kernel, bias, *state)


def _block(data: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor, c: tf.Tensor, h: tf.Tensor, forget_bias: float):
    """Returns the results of `BlockLSTM` for one direction, `[steps, batch, units]` each."""
    with tf.device(devices.HOST):  # The operation reads it there.
        num_steps = tf.constant(int(data.shape[0]), tf.int64)
    return tf.raw_ops.BlockLSTM(
        **{"seq_len_max": num_steps, "x": data, "cs_prev": c, "h_prev": h, "w": kernel, "b": bias},
        **{"forget_bias": forget_bias, "cell_clip": -1.0, **_no_peepholes(int(c.shape[1]))},
    )


def _no_peepholes(units: int) -> dict:
    return {"use_peephole": False, **dict.fromkeys(("wci", "wcf", "wco"), tf.zeros([units]))}


def _unstack(values: tf.Tensor, axis: int) -> list[tf.Tensor]:
    """Returns what each direction has; `axis` is that of the directions. For one, it is no copy."""
    return [tf.squeeze(values, axis)] if values.shape[axis] == 1 else tf.unstack(values, axis=axis)


def _stack(of_directions: Sequence[tf.Tensor]) -> tf.Tensor:
    """Returns `[steps, directions, batch, units]` of what each direction has."""
    return tf.expand_dims(of_directions[0], 1) if len(of_directions) == 1 else tf.stack(of_directions, axis=1)


def _backward_steps(
    saved: dict[str, tf.Tensor], upstream: tf.Tensor, kernel: tf.Tensor, c: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Returns the gradients of the pre-activations, `[steps, directions, batch, 4 * units]`, and of the first c and h.

    Args:
        saved: What the forward pass has left, `[steps, directions, batch, units]` each, by its name in `_SAVED`.
        upstream: The gradient of the outputs, of the same shape.
        kernel: As in `outputs`.
        c: That before the first step.
    """
    steps, directions, batch, units = upstream.shape.as_list()
    rows = directions * batch  # All that is one example of one direction.
    of_state = kernel[:, -units:]
    by_step = {name: tf.unstack(tf.reshape(values, [steps, rows, units])) for name, values in saved.items()}
    by_step["cs_prev"] = [tf.reshape(c, [rows, units]), *by_step["cs"][:-1]]
    # Nothing of these counts but the shapes.
    shapes = {"x": tf.zeros([rows, 0]), "h_prev": by_step["cs_prev"][0], "b": tf.zeros([NUM_GATES * units])}
    shapes |= {"w": tf.zeros([units, NUM_GATES * units]), **_no_peepholes(units)}
    of_c, of_h, of_gates = tf.zeros([rows, units]), None, []
    for number, of_output in reversed(list(enumerate(tf.unstack(tf.reshape(upstream, [steps, rows, units]))))):
        step = tf.raw_ops.LSTMBlockCellGrad(
            **{name: values[number] for name, values in by_step.items()},
            cs_grad=of_c,
            h_grad=of_output if of_h is None else of_output + of_h,
            **shapes,
        )
        by_direction = tf.reshape(step.dicfo, [directions, batch, -1])
        of_c, of_h = step.cs_prev_grad, tf.reshape(_matmul(by_direction, of_state, transpose_b=True), [rows, units])
        of_gates.append(step.dicfo)
    stacked = tf.reshape(tf.stack(of_gates[::-1]), [steps, directions, batch, -1])
    return stacked, *(tf.reshape(each, [directions, batch, units]) for each in (of_c, of_h))


def _of_all_steps(
    of_gates: tf.Tensor, data: tf.Tensor, before: tf.Tensor, kernel: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Returns the gradients of inputs, kernel and bias, from those of the pre-activations.

    Args:
        of_gates: `[steps, directions, batch, 4 * units]`.
        data: The inputs, as in `outputs`.
        before: h before each step, `[steps, directions, batch, units]`.
        kernel: As in `outputs`.
    """
    steps, directions, batch, depth = data.shape.as_list()
    flat, flat_data, flat_before = (_rows_of_directions(each) for each in (of_gates, data, before))
    of_kernel = [_matmul(each, flat, transpose_a=True) for each in (flat_data, flat_before)]
    of_data = tf.reshape(_matmul(flat, kernel[:, :depth], transpose_b=True), [directions, steps, batch, depth])
    of_data = tf.reshape(of_data, data.shape) if directions == 1 else tf.transpose(of_data, [1, 0, 2, 3])
    return of_data, tf.concat(of_kernel, axis=1), tf.reduce_sum(flat, axis=1)


def _rows_of_directions(values: tf.Tensor) -> tf.Tensor:
    """Returns `[directions, steps * batch, depth]` of `[steps, directions, batch, depth]`."""
    directions, depth = values.shape[1], values.shape[3]
    moved = values if directions == 1 else tf.transpose(values, [1, 0, 2, 3])
    return tf.reshape(moved, [directions, -1, depth])


def _matmul(a: tf.Tensor, b: tf.Tensor, **options) -> tf.Tensor:
    """Returns the products of the directions; that of one alone is an operation of its own, which is faster."""
    if a.shape[0] > 1:
        return tf.matmul(a, b, **options)
    return tf.expand_dims(tf.matmul(tf.squeeze(a, 0), tf.squeeze(b, 0), **options), 0)
