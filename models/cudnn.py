"""The LSTM of a layer by cuDNN: one `CudnnRNNV3` for all directions, of Magenta's variables. For NVIDIA's GPUs alone.

cuDNN takes the weights of a layer as one buffer, in an order of its own. It is made of the variables in each step, by
operations that have gradients, so that variables, checkpoints and updates stay Magenta's. Both directions of an encoder
are one operation, which can compute them at the same time; two operations would wait for each other.

The buffer, for gates i, f, c (the candidate, cuDNN's "new memory gate"), o:

    W_i W_f W_c W_o   of the input, [units, depth] each: the rows of a `LSTMBlockCell`'s kernel, transposed
    R_i R_f R_c R_o   of h, [units, units] each
    …                 the same of the other direction
    b_W, four vectors, then b_R, four vectors, [units] each, which add up; of one direction, then of the other

Sources: cuDNN's documentation of `cudnnGetRNNWeightParams`, for the numbers of gates and directions ("pseudo-layers"),
and of `cudnnRNNMode_t` for the equations; `gpu_lstm` and `canonical_to_params` of tf_keras
(`tf_keras/src/layers/rnn/lstm.py`, `gru_lstm_utils.py`), which make the same buffer for one direction; for two,
`_forward_kernel` of MXNet's `gluon/rnn/rnn_layer.py`, which hands cuDNN all weights of both, then all biases.

What TensorFlow makes of it (`core/kernels/cudnn_rnn_ops.cc`): where all sequences are as long as there are steps,
nothing is padded; float32 is computed in TF32 where that is allowed; bfloat16 is cast to float32 and back around
cuDNN, whose interface there takes float16, float32 and float64 (`stream_executor/dnn.h` of 2.21).
"""

from __future__ import annotations

import numpy as np

from models.magenta import tf
from models.step_loop import NUM_GATES

_DIRECTIONS = {1: "unidirectional", 2: "bidirectional"}
_FORGET_GATE = 1  # Of cuDNN's four.


def lstm(
    kernel: tf.Tensor,
    bias: tf.Tensor,
    inputs: tf.Tensor,
    state: tuple[tf.Tensor, tf.Tensor],
    forget_bias: float,
) -> tf.Tensor:
    """Returns a layer's outputs in each step, `[steps, directions, batch, units]`, of the inputs' dtype.

    Args:
        kernel: `[directions, depth + units, 4 * units]`, with the gates of a `LSTMBlockCell`: i, c, f, o.
        bias: `[directions, 4 * units]`.
        inputs: `[steps, directions, batch, depth]`, of the dtype to compute in; each direction in the order in which it
            is read.
        state: c and h before the first step, `[directions, batch, units]` each.
        forget_bias: Added to the bias of f.
    """
    steps, _, batch, _ = inputs.shape
    c, h, parameters = (tf.cast(each, inputs.dtype) for each in (*state, flat_parameters(kernel, bias, forget_bias)))
    outputs = tf.raw_ops.CudnnRNNV3(
        input=_side_by_side(inputs),
        input_h=h,
        input_c=c,
        params=parameters,
        sequence_lengths=tf.fill([batch], int(steps)),
        rnn_mode="lstm",
        direction=_DIRECTIONS[int(kernel.shape[0])],
        is_training=True,  # Else there is no gradient; nothing else depends on it, as nothing is dropped.
    ).output
    return _one_by_one(outputs, int(kernel.shape[0]))


def flat_parameters(kernel: tf.Tensor, bias: tf.Tensor, forget_bias: float) -> tf.Tensor:
    """Returns cuDNN's buffer, float32 `[n]`; the arguments are those of `lstm`.

    With two directions the input's depth is twice the kernel's, as each reads its own half (`_side_by_side`): the
    weights of the other half are zeros. b_W is the forget bias, which is none of the variables.
    """
    directions, rows, width = kernel.shape.as_list()
    units = width // NUM_GATES
    of_input, of_h = tf.split(_by_gate(kernel), [rows - units, units], axis=2)
    if directions > 1:
        own_half = np.eye(directions, dtype=np.float32)[:, np.newaxis, :, np.newaxis]
        of_input = own_half * tf.expand_dims(of_input, 2)
    constant = np.zeros([NUM_GATES, units], np.float32)
    constant[_FORGET_GATE] = forget_bias
    weights = zip(_flat(of_input), _flat(of_h), strict=True)
    biases = [(constant.ravel(), each) for each in _flat(_by_gate(tf.expand_dims(bias, 1)))]
    return tf.concat([each for pair in (*weights, *biases) for each in pair], axis=0)


def _by_gate(rows: tf.Tensor) -> tf.Tensor:
    """Returns rows of a kernel, `[directions, rows, 4 * units]`, as cuDNN has them, `[directions, 4 * units, rows]`.

    Seen as two by two, the four gates i, c, f, o are in cuDNN's order, i, f, c, o, once they are transposed, too.
    """
    directions, number, width = rows.shape.as_list()
    two_by_two = tf.reshape(rows, [directions, number, 2, 2, width // NUM_GATES])
    return tf.reshape(tf.transpose(two_by_two, [0, 3, 2, 4, 1]), [directions, width, number])


def _flat(of_directions: tf.Tensor) -> list[tf.Tensor]:
    """Returns what there is of each direction as one dimension, from `[directions, …]`."""
    return tf.unstack(tf.reshape(of_directions, [of_directions.shape[0], -1]))


def _side_by_side(inputs: tf.Tensor) -> tf.Tensor:
    """Returns the inputs of all directions as one, `[steps, batch, directions * depth]`.

    cuDNN reads the second direction from the end.
    """
    forwards, *backwards = tf.unstack(inputs, axis=1)
    return tf.concat([forwards, *(tf.reverse(each, [0]) for each in backwards)], axis=-1) if backwards else forwards


def _one_by_one(outputs: tf.Tensor, directions: int) -> tf.Tensor:
    """Returns cuDNN's outputs, `[steps, batch, directions * units]`, with each direction as it was read."""
    if directions == 1:
        return tf.expand_dims(outputs, 1)
    forwards, backwards = tf.split(outputs, directions, axis=-1)
    return tf.stack([forwards, tf.reverse(backwards, [0])], axis=1)
