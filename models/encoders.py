"""Magenta's bidirectional LSTM encoder, computing the same function of the same variables in fewer operations.

Upstream: `magenta/models/music_vae/lstm_models.py` of magenta 2.1.4.
"""

from __future__ import annotations

from models import recurrence
from models.layers import OwnLayers, variables_of
from models.magenta import lstm_models, tf


class BidirectionalLstmEncoder(OwnLayers, lstm_models.BidirectionalLstmEncoder):
    """Reads a sequence forwards and backwards; the last layer's outputs at both ends are the encoding."""

    def build(self, hparams, is_training=True, name_or_scope="encoder") -> None:
        """Builds the cells; `hparams` as in Magenta."""
        super().build(hparams, is_training, name_or_scope)
        self._keep_prob = hparams.dropout_keep_prob if is_training else 1.0
        self.fallback_reason = "residual connections" if hparams.residual_encoder else ""

    def encode(self, sequence: tf.Tensor, sequence_length: tf.Tensor) -> tf.Tensor:
        """Returns `[batch, 2 * units]`.

        Args:
            sequence: `[batch, steps, depth]`; Magenta's own layers compute it where the number of steps is not known.
            sequence_length: `[batch]` int32, the number of steps that count.
        """
        if self.fallback_reason or sequence.shape.as_list()[1] is None:
            return super().encode(sequence, sequence_length)
        sequence = tf.transpose(sequence, [1, 0, 2])
        with tf.variable_scope(self._name_or_scope):
            *layers, last_layer = zip(*self._cells, strict=True)
            for number, directions in enumerate(layers):
                layer, inputs, state = self._layer(number, directions, sequence, sequence_length)
                outputs = tf.cast(recurrence.outputs([layer], inputs, [state], self.computation), tf.float32)
                forwards, backwards = tf.unstack(outputs, axis=1)
                sequence = tf.concat([forwards, _reversed(backwards, sequence_length)], axis=-1)
            layer, inputs, state = self._layer(len(layers), last_layer, sequence, sequence_length)
        ends = recurrence.last_output(layer, inputs, state, sequence_length, self.computation)
        return tf.concat(tf.unstack(ends), axis=1)

    def _layer(self, number: int, directions, sequence: tf.Tensor, lengths: tf.Tensor):
        """Returns a layer of both directions, its inputs and its first state; `sequence` is `[steps, batch, depth]`."""
        _, batch, depth = sequence.shape
        variables = []
        for name, cell in zip(("fw", "bw"), directions, strict=True):
            with tf.variable_scope(f"cell_{number}/bidirectional_rnn/{name}"):
                variables += variables_of(cell, depth)
        kernels, biases = zip(*variables, strict=True)
        layer = recurrence.Layer(tf.stack(kernels), tf.stack(biases))
        both_ways = tf.stack([sequence, _reversed(sequence, lengths)], axis=1)
        dropped = self.random.dropout(both_ways, self._keep_prob)
        is_data = number == 0  # The outputs of a layer need a gradient, the sequence itself does not.
        inputs = recurrence.Inputs(data=dropped) if is_data else recurrence.Inputs(dense=dropped)
        zeros = tf.zeros([layer.directions, batch, layer.units])
        return layer, inputs, (zeros, zeros)


def _reversed(sequence: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
    """Returns each sequence with the steps that count in reverse order, `[steps, batch, depth]`."""
    return tf.reverse_sequence(sequence, lengths, seq_axis=0, batch_axis=1)
