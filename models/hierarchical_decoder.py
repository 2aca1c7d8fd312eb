"""Magenta's hierarchical LSTM decoder: a conductor and a core decoder, with fewer operations.

Upstream: `magenta/models/music_vae/lstm_models.py` of magenta 2.1.4. What differs, besides what `decoders` says:

* With `disable_autoregression` the bars depend on the conductor alone. Here all bars go through the core decoder in
  one batch, upstream decodes them one after the other, and cuts the losses of each bar out one sequence at a time: at
  batch 512 and four bars 2,048 slices.
* The conductor's dropout is off outside of training; upstream never turns it off.

Checkpoints are interchangeable with upstream's in both directions.
"""

from __future__ import annotations

from models import devices, own_hparams, recurrence
from models.decoders import Decoded, LossAndResults, WholeSequences
from models.layers import OwnLayers, variables_of
from models.magenta import base_model, lstm_models, lstm_utils, tf
from models.sequences import as_one_hot, time_major


class HierarchicalLstmDecoder(OwnLayers, lstm_models.HierarchicalLstmDecoder):
    """A conductor makes one embedding a bar, the core decoder makes the bar's steps from it.

    Attributes:
        embeddings: Those of the last `reconstruction_loss` of bars in one batch, `[batch * bars, units]`.
    """

    def build(self, hparams, output_depth: int, is_training=True) -> None:
        """Builds the cells; `hparams` as in Magenta, `output_depth` is the size of a step's output."""
        super().build(hparams, output_depth, is_training)
        self._hier_cells = [
            lstm_utils.rnn_cell(hparams.dec_rnn_size, hparams.dropout_keep_prob, hparams.residual_decoder, is_training)
            for _ in self._hier_cells
        ]
        self._hparams = hparams
        self._keep_prob = own_hparams.keep_prob(hparams, "decoder") if is_training else 1.0
        independent_bars = set(range(len(self._level_lengths) - 1)) <= set(self._disable_autoregression)
        if hparams.residual_decoder:
            self.fallback_reason = "residual connections"
        elif self._hierarchical_encoder or not independent_bars:
            self.fallback_reason = "bars that depend on each other"
        elif not isinstance(self._core_decoder, WholeSequences):
            self.fallback_reason = f"a core decoder of {type(self._core_decoder).__name__}"
        if self.fallback_reason and isinstance(self._core_decoder, OwnLayers):
            self._core_decoder.fallback_reason = self.fallback_reason  # The next bar needs its final state.

    def reconstruction_loss(self, x_input, x_target, x_length, z=None, c_input=None) -> LossAndResults:
        """Does what the core decoder's does, with all bars in one batch where they do not depend on each other.

        The sequences have max_seq_len steps; `x_length` is `[batch]` (0 or max_seq_len) or `[batch, bars]`.
        """
        if self.fallback_reason or c_input is not None:
            x_input, x_target = (as_one_hot(x, self._output_depth) for x in (x_input, x_target))
            for cell in self._hier_cells:
                self._drop_out_by_example(cell, int(x_input.shape[0]))
            return super().reconstruction_loss(x_input, x_target, x_length, z, c_input)

        batch_size = int(x_input.shape[0])
        embeddings = self.embeddings = self._conduct(tf.zeros([batch_size, 0]) if z is None else z)
        bars = embeddings.shape[0] // batch_size
        with tf.device(devices.HOST):  # Which checks them, too.
            x_length = lstm_utils.maybe_split_sequence_lengths(x_length, bars, self._total_length)
        with tf.variable_scope("core_decoder", reuse=tf.AUTO_REUSE):
            decoded = self._core_decoder.decode(
                _split_bars(x_input, bars),
                _split_bars(x_target, bars),
                tf.reshape(x_length, [batch_size * bars]),
                embeddings,
            )
        loss = tf.reduce_sum(tf.reshape(decoded.loss * decoded.counted, [batch_size, -1]), axis=1)
        return loss, self._metrics(decoded, bars), _join_bars(decoded.results, batch_size, bars)

    def _conduct(self, z: tf.Tensor) -> tf.Tensor:
        """Returns an embedding of each bar, `[batch * bars, units]`, from `[batch, z_size]`."""
        embeddings = z
        for level, (cell, steps) in enumerate(zip(self._hier_cells, self._level_lengths[:-1], strict=True)):
            rows = embeddings.shape[0]
            with tf.variable_scope(f"decoder/hierarchical_level_{level}", reuse=tf.AUTO_REUSE) as scope:
                state = self._first_state(cell, embeddings, "initial_state")
                variables = variables_of(cell, 1, scope, hparams=self._hparams)
            nothing = recurrence.Inputs(data=tf.zeros([steps, 1, rows, 1]))  # What upstream gives it, too.
            outputs = tf.cast(self._run_layers(variables, nothing, state), tf.float32)
            embeddings = tf.reshape(time_major(outputs), [rows * steps, -1])
        return embeddings

    def _metrics(self, decoded: Decoded, bars: int) -> dict:
        """Returns the metrics of each bar, and their means, under Magenta's names."""
        of_bars = []
        for bar in range(bars):
            scores = {name: values[bar::bars] for name, values in decoded.scores.items()}
            of_bars.append(self._core_decoder.metrics(scores, decoded.counted[bar::bars]))
        merged = {f"segment/{bar:03d}/{name}": of[name] for bar, of in enumerate(of_bars) for name in of}
        means = {name: tf.reduce_mean([of[name][0] for of in of_bars]) for name in of_bars[0]}
        return merged | {name: (mean, tf.no_op()) for name, mean in means.items()}


def core_decoders(decoder: base_model.BaseDecoder) -> list[base_model.BaseDecoder]:
    """Returns the decoders that make the steps, without the hierarchical ones around them."""
    if hasattr(decoder, "_core_decoder"):
        return core_decoders(decoder._core_decoder)
    if hasattr(decoder, "_core_decoders"):
        return [core for part in decoder._core_decoders for core in core_decoders(part)]
    return [decoder]


def _split_bars(sequences: tf.Tensor, bars: int) -> tf.Tensor:
    """Reshapes `[batch, bars * steps, …]` to `[batch * bars, steps, …]`."""
    batch_size, steps, *depth = sequences.shape
    return tf.reshape(sequences, [batch_size * bars, steps // bars, *depth])


def _join_bars(results: lstm_utils.LstmDecodeResults, batch_size: int, bars: int) -> lstm_utils.LstmDecodeResults:
    """Undoes `_split_bars` on all results of a decoder; the final states are the last bar's."""

    def join(steps: tf.Tensor) -> tf.Tensor:
        return tf.reshape(steps, [batch_size, -1, *steps.shape[2:]])

    def last_bar(state: tf.Tensor) -> tf.Tensor:
        return tf.reshape(state, [batch_size, bars, -1])[:, -1]

    final_state = results.final_state and tf.nest.map_structure(last_bar, results.final_state)
    return lstm_utils.LstmDecodeResults(
        rnn_input=join(results.rnn_input),
        rnn_output=join(results.rnn_output),
        samples=join(results.samples),
        final_state=final_state,
        final_sequence_lengths=tf.reshape(results.final_sequence_lengths, [batch_size, bars]),
    )
