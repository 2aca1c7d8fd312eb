"""Magenta's LSTM decoders, computing the same function of the same variables with fewer operations.

Upstream: `magenta/models/music_vae/lstm_models.py` of magenta 2.1.4. What differs:

* Upstream cuts the losses out of the batch one sequence at a time, and in a hierarchy one bar at a time: at batch 512
  and four bars 2,048 slices, most of a minute of graph building. Here they are one masked sum.
* With `disable_autoregression` the bars depend on the conductor alone. Here all bars go through the core decoder in
  one batch, upstream decodes them one after the other.
* The conductor's dropout is off outside of training; upstream never turns it off.

Checkpoints are interchangeable with upstream's in both directions.
"""

from __future__ import annotations

from collections.abc import Callable

from models.environment import tf

from magenta.contrib import seq2seq
from magenta.models.music_vae import base_model, lstm_models, lstm_utils

LossAndResults = tuple[tf.Tensor, dict, lstm_utils.LstmDecodeResults]


class _WholeBatchLoss:
    """Mixin for subclasses of `BaseLstmDecoder`: the reconstruction loss of all sequences at once."""

    def reconstruction_loss(self, x_input, x_target, x_length, z=None, c_input=None) -> LossAndResults:
        """Decodes with teacher forcing, or scheduled sampling where the hparams ask for it.

        Args:
            x_input: `[batch, steps, output_depth]`, the targets one step late, zeros first.
            x_target: `[batch, steps, output_depth]`.
            x_length: `[batch]` int32, the number of steps that count.
            z: `[batch, z_size]` latent vectors or a conductor's embeddings, or None.
            c_input: `[batch, steps, control_depth]`, or None.

        Returns:
            The loss `[batch]` in nats, streaming metrics by name, and the decoder's outputs.
        """
        batch_size, steps = int(x_input.shape[0]), tf.shape(x_input)[1]
        conditions = [] if z is None else [tf.tile(z[:, tf.newaxis], [1, steps, 1])]
        conditions += [] if c_input is None else [c_input]
        z = tf.zeros([batch_size, 0]) if z is None else z
        helper = self._helper(x_input, x_length, conditions)
        results = self._decode(z, helper=helper, input_shape=helper.inputs.shape[2:])

        # The decoder stops after the longest sequence: [batch, max(x_length), depth].
        decoded_steps = tf.shape(results.rnn_output)[1]
        flat_target = tf.reshape(x_target[:, :decoded_steps], [-1, x_target.shape[-1]])
        flat_output = tf.reshape(results.rnn_output, [-1, results.rnn_output.shape[-1]])
        step_loss, metric_map = self._flat_reconstruction_loss(flat_target, flat_output)
        mask = tf.sequence_mask(x_length, decoded_steps, dtype=tf.float32)
        loss = tf.reduce_sum(tf.reshape(step_loss, [batch_size, -1]) * mask, axis=1)
        return loss, metric_map, results

    def _helper(self, x_input, x_length, conditions):
        if tf.get_static_value(self._sampling_probability) == 0.0:
            return seq2seq.TrainingHelper(tf.concat([x_input, *conditions], axis=2), x_length)
        return seq2seq.ScheduledOutputTrainingHelper(
            inputs=x_input,
            sequence_length=x_length,
            auxiliary_inputs=tf.concat(conditions, axis=2) if conditions else None,
            sampling_probability=self._sampling_probability,
            next_inputs_fn=self._sample,
        )


class CategoricalLstmDecoder(_WholeBatchLoss, lstm_models.CategoricalLstmDecoder):
    """One token a step, one-hot `[batch, steps, classes]`."""


class GrooveLstmDecoder(_WholeBatchLoss, lstm_models.GrooveLstmDecoder):
    """Hits, velocities and offsets, `[batch, steps, 27]` = 9 hits | 9 velocities | 9 offsets."""


class HierarchicalLstmDecoder(lstm_models.HierarchicalLstmDecoder):
    """A conductor makes one embedding a bar, the core decoder makes the bar's steps from it."""

    def build(self, hparams, output_depth, is_training=True) -> None:
        """Builds the cells; `hparams` as in Magenta, `output_depth` is the size of a step's output."""
        super().build(hparams, output_depth, is_training)
        self._hier_cells = [
            lstm_utils.rnn_cell(hparams.dec_rnn_size, hparams.dropout_keep_prob, hparams.residual_decoder, is_training)
            for _ in self._hier_cells
        ]

    def reconstruction_loss(self, x_input, x_target, x_length, z=None, c_input=None) -> LossAndResults:
        """As in Magenta; all bars in one batch where they do not depend on each other.

        Args:
            x_input: `[batch, max_seq_len, output_depth]`, the targets one step late, zeros first.
            x_target: `[batch, max_seq_len, output_depth]`.
            x_length: `[batch]` (0 or max_seq_len) or `[batch, bars]`, int32.
            z: `[batch, z_size]`, or None.
            c_input: `[batch, max_seq_len, control_depth]`, or None.

        Returns:
            The loss `[batch]` in nats, streaming metrics by name, and the decoder's outputs over all steps.
        """
        independent_bars = set(range(len(self._level_lengths) - 1)) <= set(self._disable_autoregression)
        if c_input is not None or self._hierarchical_encoder or not independent_bars:
            return super().reconstruction_loss(x_input, x_target, x_length, z, c_input)

        batch_size = int(x_input.shape[0])
        embeddings: list[tf.Tensor] = []  # One for each bar, [batch, dec_rnn_size].
        z = tf.zeros([batch_size, 0]) if z is None else z
        self._hierarchical_decode(z, lambda embedding, _: embeddings.append(embedding))

        bars = len(embeddings)
        x_length = lstm_utils.maybe_split_sequence_lengths(x_length, bars, self._total_length)
        with tf.variable_scope("core_decoder", reuse=tf.AUTO_REUSE):
            loss, metric_map, results = self._core_decoder.reconstruction_loss(
                _split_bars(x_input, bars),
                _split_bars(x_target, bars),
                tf.reshape(x_length, [batch_size * bars]),
                tf.reshape(tf.stack(embeddings, axis=1), [batch_size * bars, -1]),
            )
        loss = tf.reduce_sum(tf.reshape(loss, [batch_size, bars]), axis=1)
        return loss, metric_map, _join_bars(results, batch_size, bars)


def core_decoders(decoder: base_model.BaseDecoder) -> list[base_model.BaseDecoder]:
    """Returns the decoders that make the steps, inside of whatever conducts them."""
    if hasattr(decoder, "_core_decoder"):
        return core_decoders(decoder._core_decoder)
    if hasattr(decoder, "_core_decoders"):
        return [core for part in decoder._core_decoders for core in core_decoders(part)]
    return [decoder]


def draw_in_order(decoder: base_model.BaseDecoder) -> None:
    """Makes a decoder's samples repeatable: the same seed, the same samples.

    The random number of a step does not depend on the step before, so TensorFlow draws those of several steps at
    once, in any order. After this each waits for the output that it is drawn for.
    """

    def ordered(draw: Callable) -> Callable:
        def draw_after(rnn_output: tf.Tensor, *args, **kwargs):
            with tf.control_dependencies([rnn_output]):
                return draw(rnn_output, *args, **kwargs)

        return draw_after

    for core in core_decoders(decoder):
        core._sample = ordered(core._sample)


def _split_bars(sequences: tf.Tensor, bars: int) -> tf.Tensor:
    """`[batch, bars * steps, depth]` to `[batch * bars, steps, depth]`."""
    batch_size, _, depth = sequences.shape
    return tf.reshape(sequences, [batch_size * bars, -1, depth])


def _join_bars(results: lstm_utils.LstmDecodeResults, batch_size: int, bars: int):
    """Undoes `_split_bars` on everything that the decoder returned; the final states are the last bar's."""

    def join(steps: tf.Tensor) -> tf.Tensor:
        return tf.reshape(steps, [batch_size, -1, steps.shape[-1]])

    def last_bar(state: tf.Tensor) -> tf.Tensor:
        return tf.reshape(state, [batch_size, bars, -1])[:, -1]

    return lstm_utils.LstmDecodeResults(
        rnn_input=join(results.rnn_input),
        rnn_output=join(results.rnn_output),
        samples=tf.reshape(results.samples, [batch_size, -1, *results.samples.shape[2:]]),
        final_state=tf.nest.map_structure(last_bar, results.final_state),
        final_sequence_lengths=tf.reshape(results.final_sequence_lengths, [batch_size, bars]),
    )
