"""Magenta's LSTM decoders of tokens and of grooves: the same function of the same variables with fewer operations.

Upstream: `magenta/models/music_vae/lstm_models.py` of magenta 2.1.4. What differs:

* With teacher forcing the inputs of all steps are known: each layer runs over the whole sequence (`recurrence`), and
  the output projection is one product. Upstream decodes one step of all layers after the other.
* One-hot inputs and targets are tokens: rows to look up, and classes for the loss.
* Upstream cuts the losses out of the batch one sequence at a time: at batch 512 most of a minute of graph building.
  Here they are one masked sum.

Sampling, and with it scheduled sampling, needs each step before the next and is done by upstream's decoding.
Checkpoints are interchangeable with upstream's in both directions.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator

import numpy as np

from grooves import groove
from models import objective, own_hparams, recurrence
from models.layers import OwnLayers, variables_of
from models.magenta import lstm_models, lstm_utils, seq2seq, tf
from models.sequences import as_one_hot, as_tokens, time_major

LossAndResults = tuple[tf.Tensor, dict, lstm_utils.LstmDecodeResults]


@dataclasses.dataclass(frozen=True)
class Decoded:
    """The outputs of a decoder with teacher forcing, and the loss of each step.

    Attributes:
        loss: `[batch, steps]`, nats.
        scores: The arguments of the decoder's `metrics`, `[batch, steps]` each.
        counted: `[batch, steps]` float32, 0 behind the end of a sequence.
        results: The outputs as upstream returns them; the final state is there only if Magenta's layers computed them.
    """

    loss: tf.Tensor
    scores: dict[str, tf.Tensor]
    counted: tf.Tensor
    results: lstm_utils.LstmDecodeResults


class WholeSequences(OwnLayers):
    """Mixin for subclasses of `BaseLstmDecoder`: teacher forcing of all steps and sequences at once.

    Subclasses have `is_one_hot`, the losses (`_score`), the `metrics`, and how the next inputs are drawn (`draw`).
    """

    is_one_hot: bool

    def build(self, hparams, output_depth: int, is_training=True) -> None:
        """Builds the cells; `hparams` as in Magenta."""
        super().build(hparams, output_depth, is_training)
        self._hparams = hparams
        self._keep_prob = own_hparams.keep_prob(hparams, "decoder") if is_training else 1.0
        self._samples = tf.get_static_value(self._sampling_probability) != 0.0
        self.fallback_reason = "residual connections" if hparams.residual_decoder else ""
        if self._samples:
            self.fallback_reason = "scheduled sampling"

    def reconstruction_loss(self, x_input, x_target, x_length, z=None, c_input=None) -> LossAndResults:
        """Decodes with teacher forcing, or scheduled sampling where the hparams ask for it.

        Args:
            x_input: `[batch, steps, output_depth]` or tokens `[batch, steps]`: the targets one step late, zeros first.
            x_target: `[batch, steps, output_depth]` or tokens.
            x_length: `[batch]` int32, the number of steps that count.
            z: `[batch, z_size]` latent vectors or a conductor's embeddings, or None.
            c_input: `[batch, steps, control_depth]`, or None.

        Returns:
            The loss `[batch]` in nats, streaming metrics by name, and the decoder's outputs.
        """
        decoded = self.decode(x_input, x_target, x_length, z, c_input)
        loss = tf.reduce_sum(decoded.loss * decoded.counted, axis=1)
        return loss, self.metrics(decoded.scores, decoded.counted), decoded.results

    def decode(self, x_input, x_target, x_length, z=None, c_input=None) -> Decoded:
        """Does `reconstruction_loss` for each step by itself."""
        if self.fallback_reason or c_input is not None:
            return self._decode_by_step(x_input, x_target, x_length, z, c_input)
        outputs = self._teacher_forced(x_input, z)  # [steps, batch, depth]: upstream's order would cost a copy.
        loss, scores = self._score(outputs, time_major(x_target))
        by_sequence = time_major(outputs)
        return Decoded(
            loss=tf.transpose(loss),
            scores={name: tf.transpose(values) for name, values in scores.items()},
            counted=tf.sequence_mask(x_length, x_target.shape[1], dtype=tf.float32),
            results=lstm_utils.LstmDecodeResults(
                rnn_input=as_one_hot(x_input, self._output_depth),
                rnn_output=by_sequence,
                samples=tf.argmax(by_sequence, axis=-1, output_type=tf.int32),
                final_state=None,
                final_sequence_lengths=x_length,
            ),
        )

    def _teacher_forced(self, x_input: tf.Tensor, z: tf.Tensor | None) -> tf.Tensor:
        """Returns the outputs of all steps, `[steps, batch, output_depth]`."""
        batch_size, steps = x_input.shape[:2]
        z = tf.zeros([batch_size, 0]) if z is None else z
        state = self._first_state(self._dec_cell, z, "decoder/z_to_initial_state")
        with tf.variable_scope("decoder"):
            depth = self._output_depth + int(z.shape[1])
            variables = variables_of(self._dec_cell, depth, hparams=self._hparams, loud_rows=self._output_depth)
            self._output_layer(tf.zeros([1, self._dec_cell.output_size]))  # Makes its variables.
        if self.is_one_hot and self._keep_prob != 1.0:  # Dropout divides what it keeps; tokens cannot be divided.
            kernel, bias = variables[0]
            rows = tf.split(kernel, [self._output_depth, -1])
            variables[0] = tf.concat([rows[0] / self._keep_prob, rows[1]], axis=0), bias

        outputs = self._run_layers(variables, self._inputs(time_major(x_input), z), state)
        flat = tf.reshape(outputs, [-1, outputs.shape[-1]])
        projected = self.computation.matmul(flat, self._output_layer.kernel) + self._output_layer.bias
        return tf.reshape(projected, [steps, batch_size, self._output_depth])

    def _inputs(self, x_input: tf.Tensor, z: tf.Tensor) -> recurrence.Inputs:
        """Returns the inputs of the first layer, after dropout, from time-major ones and z, which all steps get."""
        tokens = as_tokens(x_input) if self.is_one_hot else None
        data = None if self.is_one_hot else self.random.dropout(x_input[:, tf.newaxis], self._keep_prob, axis=2)
        conditional = int(z.shape[1]) > 0
        if self._keep_prob == 1.0:
            return recurrence.Inputs(tokens, data, constant=z if conditional else None)
        if tokens is not None:
            is_kept = self.random.coin_flips(tokens.shape, self._keep_prob, axis=1)
            tokens = tf.where_v2(is_kept, tokens, -1)
        repeated = tf.tile(tf.reshape(z, [1, 1, *z.shape]), [x_input.shape[0], 1, 1, 1])
        dense = self.random.dropout(repeated, self._keep_prob, axis=2) if conditional else None
        return recurrence.Inputs(tokens, data, dense)

    def _decode_by_step(self, x_input, x_target, x_length, z, c_input) -> Decoded:
        """Does `decode` by Magenta's own layers, which compute one step of all layers after the other."""
        x_input = as_one_hot(x_input, self._output_depth)
        batch_size, steps = int(x_input.shape[0]), tf.shape(x_input)[1]
        conditions = [] if z is None else [tf.tile(z[:, tf.newaxis], [1, steps, 1])]
        conditions += [] if c_input is None else [c_input]
        z = tf.zeros([batch_size, 0]) if z is None else z
        self._drop_out_by_example(self._dec_cell, batch_size)
        helper = self._helper(x_input, x_length, conditions)
        results = self._decode(z, helper=helper, input_shape=helper.inputs.shape[2:])

        # The decoder stops after the longest sequence: [batch, max(x_length), depth].
        decoded_steps = tf.shape(results.rnn_output)[1]
        loss, scores = self._score(results.rnn_output, x_target[:, :decoded_steps])
        return Decoded(loss, scores, tf.sequence_mask(x_length, decoded_steps, dtype=tf.float32), results)

    def _decode(self, z, helper, input_shape, max_length=None) -> lstm_utils.LstmDecodeResults:
        """Does what Magenta's does; dropout knows the step of the sequence."""
        state = lstm_utils.initial_cell_state_from_embedding(self._dec_cell, z, name="decoder/z_to_initial_state")
        decoder = _StepByStep(self, helper, state, input_shape)
        outputs, state, lengths = seq2seq.dynamic_decode(
            decoder, maximum_iterations=max_length, swap_memory=True, scope="decoder"
        )
        self._time = 0
        return lstm_utils.LstmDecodeResults(
            rnn_input=outputs.rnn_input[:, :, : self._output_depth],
            rnn_output=outputs.rnn_output,
            samples=outputs.sample_id,
            final_state=state,
            final_sequence_lengths=lengths,
        )

    def _helper(self, x_input: tf.Tensor, x_length: tf.Tensor, conditions: list[tf.Tensor]) -> seq2seq.Helper:
        if not self._samples:
            return seq2seq.TrainingHelper(tf.concat([x_input, *conditions], axis=2), x_length)
        return _ScheduledSampling(
            inputs=x_input,
            sequence_length=x_length,
            auxiliary_inputs=tf.concat(conditions, axis=2) if conditions else None,
            sampling_probability=self._sampling_probability,
            decoder=self,
        )


class CategoricalLstmDecoder(WholeSequences, lstm_models.CategoricalLstmDecoder):
    """One token a step, one-hot `[batch, steps, classes]` or tokens `[batch, steps]`."""

    is_one_hot = True

    def metrics(self, scores: dict[str, tf.Tensor], counted: tf.Tensor) -> dict:
        """Returns Magenta's streaming metrics, by name."""
        truth, prediction = scores["truth"], scores["prediction"]
        return {
            "metrics/accuracy": tf.metrics.accuracy(truth, prediction, counted),
            "metrics/mean_per_class_accuracy": tf.metrics.mean_per_class_accuracy(
                truth, prediction, self._output_depth, counted
            ),
        }

    def draw(self, outputs: tf.Tensor, time: tf.Tensor) -> tf.Tensor:
        """Returns the next inputs in training, `[n, classes]`, drawn from the outputs `[n, classes]` of step `time`."""
        uniform = self.random.uniform(outputs.shape, time)
        gumbel = -tf.math.log(-tf.math.log(tf.maximum(uniform, np.finfo(np.float32).tiny)))
        return tf.one_hot(tf.argmax(outputs + gumbel, axis=-1), self._output_depth)

    def _score(self, outputs: tf.Tensor, targets: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        truth = tf.maximum(as_tokens(targets), 0)
        loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=truth, logits=outputs)
        return loss, {"truth": truth, "prediction": tf.argmax(outputs, axis=-1, output_type=tf.int32)}


class GrooveLstmDecoder(WholeSequences, lstm_models.GrooveLstmDecoder):
    """Hits, velocities and offsets, `[batch, steps, 27]` = 9 hits | 9 velocities | 9 offsets."""

    is_one_hot = False
    _given_hits: tf.Tensor | None = None  # Those of the steps that are still to be sampled.

    @contextlib.contextmanager
    def given_hits(self, hits: tf.Tensor) -> Iterator[None]:
        """Lets `sample` decode nothing but how given hits are played, `[batch, steps, drums]` of whole sequences.

        A silent drum has neither velocity nor offset then, which is what the decoder hears of it in training.
        """
        self._given_hits = hits
        try:
            yield
        finally:
            self._given_hits = None

    def sample(
        self, n, max_length=None, z=None, c_input=None, temperature=1.0, start_inputs=None, end_fn=None
    ) -> tuple[tf.Tensor, lstm_utils.LstmDecodeResults]:
        """Does what Magenta's does, or, within `given_hits`, decodes velocities and offsets of the hits alone.

        Then `temperature` and `end_fn` are for nothing, as nothing is drawn.

        Args:
            n: The number of sequences.
            max_length: Steps of each.
            z: `[n, z_size]` latent vectors or a conductor's embeddings, or None.
            c_input: None; no config of grooves has controls.
            temperature: Of the hits that are drawn.
            start_inputs: `[n, 27]`, the step before the first; None is zeros.
            end_fn: As in Magenta.

        Returns:
            Grooves `[n, max_length, 27]`, and the decoder's outputs.
        """
        if self._given_hits is None:
            return super().sample(n, max_length, z, c_input, temperature, start_inputs, end_fn)
        z = tf.zeros([n, 0]) if z is None else z
        start_inputs = tf.zeros([n, self._output_depth]) if start_inputs is None else start_inputs
        hits, self._given_hits = self._given_hits[:, :max_length], self._given_hits[:, max_length:]

        def play(time, outputs, state):
            del state
            _, velocities, offsets = tf.split(outputs, groove.NUM_PARTS, axis=1)
            of_step = hits[:, time]
            return tf.concat([of_step, of_step * tf.sigmoid(velocities), of_step * tf.tanh(offsets)], axis=1)

        def go_on(time, outputs, state, sample_ids):
            del time, outputs
            return tf.zeros([n], tf.bool), tf.concat([sample_ids, z], axis=1), state

        helper = seq2seq.CustomHelper(
            initialize_fn=lambda: (tf.zeros([n], tf.bool), tf.concat([start_inputs, z], axis=1)),
            sample_fn=play,
            next_inputs_fn=go_on,
            sample_ids_shape=[self._output_depth],
            sample_ids_dtype=tf.float32,
        )
        input_shape = tf.TensorShape([self._output_depth + int(z.shape[1])])
        results = self._decode(z, helper=helper, input_shape=input_shape, max_length=max_length)
        return results.samples, results

    def metrics(self, scores: dict[str, tf.Tensor], counted: tf.Tensor) -> dict:
        """Returns Magenta's streaming metrics, by name."""
        return {f"metrics/{name}": tf.metrics.mean(values, counted) for name, values in scores.items()}

    def draw(self, outputs: tf.Tensor, time: tf.Tensor) -> tf.Tensor:
        """Returns the next inputs in training, `[n, 27]`, drawn from the outputs `[n, 27]` of step `time`."""
        hits, velocities, offsets = tf.split(outputs, groove.NUM_PARTS, axis=1)
        drawn = self.random.uniform(hits.shape, time) < tf.sigmoid(hits)
        return tf.concat([tf.to_float(drawn), tf.sigmoid(velocities), tf.tanh(offsets)], axis=1)

    def _score(self, outputs: tf.Tensor, targets: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        names = "groove_error", "groove_silent_weight"
        scores = objective.groove_terms(outputs, targets, *(own_hparams.value(self._hparams, name) for name in names))
        return sum(scores.values()), scores


class _StepByStep(lstm_utils.Seq2SeqLstmDecoder):
    """Upstream's loop over the steps, which tells the decoder where it is."""

    def __init__(self, decoder: WholeSequences, helper: seq2seq.Helper, state: tuple, input_shape) -> None:
        super().__init__(decoder._dec_cell, helper, state, input_shape, decoder._output_layer)
        self._decoder = decoder

    def step(self, time, inputs, state, name=None):
        """Computes step `time`; arguments and results are upstream's."""
        self._decoder._time = time
        return super().step(time, inputs, state, name)


class _ScheduledSampling(seq2seq.ScheduledOutputTrainingHelper):
    """Upstream's helper with the decoder's own random numbers, drawn for each sequence whether it goes on by itself."""

    def __init__(self, *, decoder: WholeSequences, **options) -> None:
        super().__init__(**options)
        self._decoder = decoder

    def sample(self, time, outputs, state, name=None) -> tf.Tensor:
        """Returns 1 for each sequence whose next input is its own output, else 0, `[batch]`."""
        del outputs, state, name
        uniform = self._decoder.random.uniform(self._sequence_length.shape, time)
        return tf.cast(uniform < self._sampling_probability, tf.int32)

    def next_inputs(self, time, outputs, state, sample_ids, name=None):
        """Returns which sequences have ended, the next inputs, and the state."""
        outputs.set_shape([self._sequence_length.shape[0], None])
        return super().next_inputs(time, self._decoder.draw(outputs, time), state, sample_ids, name)
