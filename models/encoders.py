"""Magenta's bidirectional LSTM encoder, computing the same function of the same variables in fewer operations.

Upstream: `magenta/models/music_vae/lstm_models.py` of magenta 2.1.4.
"""

from __future__ import annotations

from collections.abc import Callable

from models import devices, own_hparams, recurrence
from models.layers import OwnLayers, variables_of
from models.magenta import base_model, lstm_models, lstm_utils, tf


class BidirectionalLstmEncoder(OwnLayers, lstm_models.BidirectionalLstmEncoder):
    """Reads a sequence forwards and backwards; the last layer's outputs at both ends are the encoding.

    Attributes:
        reads_data: Whether its sequences are data; else they are computed from variables and need a gradient.
    """

    reads_data = True

    def build(self, hparams, is_training=True, name_or_scope="encoder") -> None:
        """Builds the cells; `hparams` as in Magenta."""
        super().build(hparams, is_training, name_or_scope)
        self._keep_prob = own_hparams.keep_prob(hparams, "encoder") if is_training else 1.0
        self._hparams = hparams
        self.fallback_reason = "residual connections" if hparams.residual_encoder else ""

    def encode(self, sequence: tf.Tensor, sequence_length: tf.Tensor) -> tf.Tensor:
        """Returns `[batch, 2 * units]`.

        Args:
            sequence: `[batch, steps, depth]`; Magenta's own layers compute it where the number of steps is not known.
            sequence_length: `[batch]` int32, the number of steps that count.
        """
        if sequence.shape.as_list()[1] is None:
            return super().encode(sequence, sequence_length)
        if self.fallback_reason:
            return self._encode_by_step(sequence, sequence_length)
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

    def _encode_by_step(self, sequence: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
        """Does `encode` by Magenta's cells, as upstream does, but for what dropout draws: all steps at once, before."""
        with tf.variable_scope(self._name_or_scope):
            for number, directions in enumerate(zip(*self._cells, strict=True)):
                dropped = [self.random.dropout(sequence, self._keep_prob) for _ in directions]
                for place, cell in enumerate(directions):
                    for wrapper in cell._cells:
                        # Below 1, it has its inputs dropped out of by the function, which finds that done.
                        wrapper._input_keep_prob, wrapper._dropout = 0.0, _part_of(place, sequence.shape[2])
                with tf.variable_scope(f"cell_{number}"):
                    outputs, states = tf.nn.bidirectional_dynamic_rnn(
                        *directions, tf.concat(dropped, axis=2), lengths, dtype=tf.float32
                    )
                sequence = tf.concat(outputs, axis=2)
        return tf.concat([state[-1].h for state in states], axis=1)

    def _layer(self, number: int, directions, sequence: tf.Tensor, lengths: tf.Tensor):
        """Returns a layer of both directions, its inputs and its first state; `sequence` is `[steps, batch, depth]`."""
        _, batch, depth = sequence.shape
        variables = []
        for name, cell in zip(("fw", "bw"), directions, strict=True):
            with tf.variable_scope(f"cell_{number}/bidirectional_rnn/{name}"):
                loud_rows = depth if number == 0 and self.reads_data else 0
                variables += variables_of(cell, depth, hparams=self._hparams, loud_rows=loud_rows)
        kernels, biases = zip(*variables, strict=True)
        layer = recurrence.Layer(tf.stack(kernels), tf.stack(biases))
        both_ways = tf.stack([sequence, _reversed(sequence, lengths)], axis=1)
        dropped = self.random.dropout(both_ways, self._keep_prob, axis=2)
        # The outputs of a layer need a gradient, a sequence of data does not.
        is_data = number == 0 and self.reads_data
        inputs = recurrence.Inputs(data=dropped) if is_data else recurrence.Inputs(dense=dropped)
        zeros = tf.zeros([layer.directions, batch, layer.units])
        return layer, inputs, (zeros, zeros)


class HierarchicalLstmEncoder(lstm_models.HierarchicalLstmEncoder):
    """Encodes each bar by itself, then the sequence of the bars' encodings; all bars of a batch at once."""

    def __init__(self, level_lengths: list[int]) -> None:
        """Takes the number of steps of a bar, the number of bars, and so on, as in Magenta."""
        super().__init__(BidirectionalLstmEncoder, level_lengths)

    def build(self, hparams, is_training=True) -> None:
        """Builds the cells of each level; `hparams` as in Magenta."""
        super().build(hparams, is_training)
        for encoder in levels(self)[1:]:
            encoder.reads_data = False

    def encode(self, sequence: tf.Tensor, sequence_length: tf.Tensor) -> tf.Tensor:
        """Returns `[batch, 2 * units]`.

        Args:
            sequence: `[batch, max_seq_len, depth]`.
            sequence_length: `[batch]` int32 (0 or max_seq_len), or `[batch, bars]`.
        """
        batch_size, depth = int(sequence.shape[0]), sequence.shape[2]
        num_segments = self._total_length // self._level_lengths[0]
        with tf.device(devices.HOST):  # Which checks them, too.
            lengths = lstm_utils.maybe_split_sequence_lengths(sequence_length, num_segments, self._total_length)
            lengths = tf.reshape(lengths, [-1])
        sequence.set_shape([batch_size, self._total_length, depth])
        for num_steps, encoder in zip(self._level_lengths, levels(self), strict=True):
            segments = tf.reshape(sequence, [-1, num_steps, sequence.shape[-1]])
            if sequence.shape[1] != self._total_length:  # Of the levels above, every step counts.
                lengths = tf.fill([segments.shape[0]], num_steps)
            encodings = encoder.encode(segments, lengths)
            sequence = tf.reshape(encodings, [batch_size, -1, encodings.shape[-1]])
        return tf.squeeze(sequence, 1)


def levels(encoder: base_model.BaseEncoder) -> list[base_model.BaseEncoder]:
    """Returns the encoders of a hierarchy, the one that reads steps first; of another encoder itself."""
    if isinstance(encoder, lstm_models.HierarchicalLstmEncoder):
        return [level for _, level in getattr(encoder, "_hierarchical_encoders", [])]
    return [encoder]


def _part_of(place: int, depth: int) -> Callable[..., tf.Tensor]:
    """Returns what gives a direction its own part of `[batch, directions * depth]`, in place of a cell's dropout."""
    return lambda values, *_: values[:, place * depth : (place + 1) * depth]


def _reversed(sequence: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
    """Returns each sequence with the steps that count in reverse order, `[steps, batch, depth]`."""
    return tf.reverse_sequence(sequence, lengths, seq_axis=0, batch_axis=1)
