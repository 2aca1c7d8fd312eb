"""Magenta's LSTM encoder, computing the same function of the same variables with fewer operations."""

from __future__ import annotations

from models import lstm
from models.environment import tf

from magenta.models.music_vae import lstm_models


class BidirectionalLstmEncoder(lstm_models.BidirectionalLstmEncoder):
    """Reads a sequence in both directions; upstream: `lstm_models.BidirectionalLstmEncoder` of magenta 2.1.4."""

    def build(self, hparams, is_training=True, name_or_scope="encoder") -> None:
        """Builds the cells; arguments as in Magenta."""
        super().build(hparams, is_training, name_or_scope)
        self._layer_sizes = list(hparams.enc_rnn_size)
        self._keep_prob = hparams.dropout_keep_prob if is_training else 1.0
        self._is_plain = not hparams.residual_encoder and isinstance(name_or_scope, str)

    def encode(self, sequence: tf.Tensor, sequence_length: tf.Tensor) -> tf.Tensor:
        """Returns the last layer's outputs at both ends, `[batch, 2 * units]`.

        Args:
            sequence: `[batch, steps, depth]`.
            sequence_length: `[batch]` int32, at least 1.
        """
        if not self._is_plain:
            return super().encode(sequence, sequence_length)
        forwards = tf.transpose(sequence, [1, 0, 2])
        for number, units in enumerate(self._layer_sizes):
            outputs = []
            for direction in ("fw", "bw"):
                scope = f"{self._name_or_scope}/cell_{number}/bidirectional_rnn/{direction}/{lstm.CELL_SCOPE.format(0)}"
                inputs = forwards if direction == "fw" else _reverse(forwards, sequence_length)
                outputs.append(lstm.layer(lstm.dropout(inputs, self._keep_prob), units, scope)[1])
            forwards = tf.concat([outputs[0], _reverse(outputs[1], sequence_length)], axis=2)
        last = tf.stack([tf.maximum(sequence_length, 1) - 1, tf.range(tf.shape(sequence)[0])], axis=1)
        return tf.concat([tf.gather_nd(direction, last) for direction in outputs], axis=1)


def _reverse(sequence: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
    """Turns the first `lengths` steps of `[steps, batch, depth]` around."""
    return tf.reverse_sequence(sequence, lengths, seq_axis=0, batch_axis=1)
