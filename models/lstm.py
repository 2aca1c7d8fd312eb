"""LSTM layers over whole sequences: one operation a layer instead of a loop over its steps.

A `while` loop costs some sixty operations a step and layer, forwards and backwards; at small batches, and on a GPU at
any batch, that is most of the time. `BlockLSTM` computes the same function of the same variables as the `LSTMBlockCell`
that Magenta's models are made of, and has kernels for CPU and GPU.
"""

from __future__ import annotations

from models.environment import tf

State = tuple[tf.Tensor, tf.Tensor]  # Cell state and output, `[batch, units]` each: (c, h).
CELL_SCOPE = "multi_rnn_cell/cell_{}/lstm_cell"  # Where a MultiRNNCell keeps the variables of a layer.


def layer(inputs: tf.Tensor, units: int, scope: str, state: State | None = None) -> tuple[tf.Tensor, tf.Tensor]:
    """Runs an LSTM layer over all steps.

    Args:
        inputs: `[steps, batch, depth]`.
        units: The layer's size.
        scope: The variable scope of the cell's `kernel` and `bias`, made here or reused.
        state: The state before the first step; None is zeros.

    Returns:
        The cell states and the outputs of all steps, `[steps, batch, units]` each.
    """
    steps, batch_size = tf.shape(inputs, out_type=tf.int64)[0], inputs.shape[1]
    with tf.variable_scope(scope):
        kernel = tf.get_variable("kernel", [int(inputs.shape[2]) + units, 4 * units])
        bias = tf.get_variable("bias", [4 * units], initializer=tf.zeros_initializer())
    no_peephole = tf.zeros([units])
    cell_state, output = state or (tf.zeros([batch_size, units]),) * 2
    results = tf.raw_ops.BlockLSTM(
        seq_len_max=steps,
        x=inputs,
        cs_prev=cell_state,
        h_prev=output,
        w=kernel,
        wci=no_peephole,
        wcf=no_peephole,
        wco=no_peephole,
        b=bias,
        cell_clip=-1,  # None, as in LSTMBlockCell.
    )
    return results.cs, results.h


def dropout(inputs: tf.Tensor, keep_prob: float) -> tf.Tensor:
    """Drops inputs of each step by itself, as a `DropoutWrapper` around the cell does."""
    return tf.nn.dropout(inputs, rate=1 - keep_prob) if keep_prob < 1 else inputs
