"""Magenta's MusicVAE with the same variables and the same loss, for the encoders and decoders in this folder.

Upstream: `magenta/models/music_vae/base_model.py` of magenta 2.1.4. What differs: one-hot sequences may be given as
tokens, and the random numbers of training depend on the run's seed and the step alone.
"""

from __future__ import annotations

from models import devices, encoders, objective, own_hparams, precision, recurrence, sequences
from models.hierarchical_decoder import core_decoders
from models.layers import OwnLayers
from models.magenta import base_model, tf
from models.stateless_random import StatelessRandom


class MusicVAE(base_model.MusicVAE):
    """Magenta's model. Set the attributes before `build`.

    Attributes:
        precision: "fp32" or "bf16", as `precision.resolve` returns it.
        layers: How layers are computed, one of `precision.LAYERS`.
        seed: The seed of latent vectors, dropout and scheduled sampling; without one each run draws others.
        first_example: The number, within the batch, of the first of the `batch_size` examples that are computed here.
    """

    precision: str = "fp32"
    layers: str = "auto"
    seed: int | None = None
    first_example: int = 0

    def build(self, hparams, output_depth: int, is_training: bool) -> None:
        """Builds encoder and decoder, as in Magenta."""
        step = tf.train.get_or_create_global_step()
        self._random = StatelessRandom(self.seed, step, self.first_example, hparams.batch_size)
        super().build(hparams, output_depth, is_training)
        for part in self._parts():  # A hierarchical encoder makes its levels when it is built.
            part.computation, part.random = precision.computation(self.precision, self.layers), self._random

    @property
    def computes_at_once(self) -> bool:
        """Whether a layer is one operation, as on a GPU, where each that is started costs time."""
        return precision.computation(self.precision, self.layers).layers != recurrence.STEPS

    @property
    def fallback_reasons(self) -> list[str]:
        """Why Magenta's own layers compute parts of the model; known after `build`."""
        return sorted({part.fallback_reason for part in self._parts() if part.fallback_reason})

    def train(self, input_sequence, output_sequence, sequence_length, control_sequence=None) -> tf.train.Optimizer:
        """Builds the loss and what is shown of it, and returns the optimizer, as in Magenta.

        What follows from the number of the step alone is computed on the host, which counts it.
        """
        _, scalars = self._compute_model_loss(input_sequence, output_sequence, sequence_length, control_sequence)
        lowest, highest = self.hparams.min_learning_rate, self.hparams.learning_rate
        with tf.device(devices.HOST):
            rate = (highest - lowest) * tf.pow(self.hparams.decay_rate, tf.to_float(self.global_step)) + lowest
        for name, values in ({"learning_rate": rate} | scalars).items():
            tf.summary.scalar(name, tf.reduce_mean(values) if values.shape.rank else values)
        return tf.train.AdamOptimizer(rate)

    def encode(self, sequence, sequence_length, control_sequence=None):
        """Returns the posterior of each sequence, a diagonal normal distribution `[batch, z_size]`.

        As in Magenta, but for where its weights begin; the arguments are those of `_compute_model_loss`.
        """
        sequence = tf.to_float(sequence)
        if control_sequence is not None:
            sequence = tf.concat([sequence, tf.to_float(control_sequence)], axis=-1)
        encoding = self.encoder.encode(sequence, sequence_length)
        stddev = own_hparams.value(self.hparams, "latent_init_stddev")
        bias = own_hparams.value(self.hparams, "sigma_bias")

        def dense(name: str, activation=None, bias: float = 0.0) -> tf.Tensor:
            return tf.layers.dense(
                encoding,
                self.hparams.z_size,
                activation,
                name=f"encoder/{name}",
                kernel_initializer=tf.random_normal_initializer(stddev=stddev),
                bias_initializer=tf.constant_initializer(bias),
            )

        return base_model.ds.MultivariateNormalDiag(dense("mu"), dense("sigma", tf.nn.softplus, bias))

    def _with_word_dropout(self, inputs: tf.Tensor) -> tf.Tensor:
        """Returns the decoder's inputs, each step of which is hidden with the probability that the hparams give."""
        probability = own_hparams.value(self.hparams, "word_dropout")
        if not probability:
            return inputs
        is_hidden = self._random.coin_flips(inputs.shape[:2], probability)
        if inputs.dtype.is_integer:
            return tf.where_v2(is_hidden, -1, inputs)
        return tf.to_float(inputs) * tf.to_float(~is_hidden)[..., tf.newaxis]

    def _parts(self) -> list[OwnLayers]:
        parts = [*encoders.levels(self.encoder), self.decoder, *core_decoders(self.decoder)]
        return [part for part in parts if isinstance(part, OwnLayers)]

    def _compute_model_loss(self, input_sequence, output_sequence, sequence_length, control_sequence):
        """Returns streaming metrics and scalars to summarize, and sets `loss`, as in Magenta.

        Args:
            input_sequence: `[batch, steps, input_depth]`.
            output_sequence: `[batch, steps, output_depth]`, or one-hot ones as tokens `[batch, steps]` int32, -1 for
                padding.
            sequence_length: `[batch]` or `[batch, segments]` int32, steps.
            control_sequence: `[batch, steps, control_depth]`, or None.
        """
        hparams = self.hparams
        steps = min(int(output_sequence.shape[1]), hparams.max_seq_len)
        targets = output_sequence[:, :steps]
        lengths = tf.minimum(sequence_length, steps)
        controls = None if control_sequence is None else tf.to_float(control_sequence)[:, :steps]

        z, kl = None, tf.zeros([hparams.batch_size, 1])
        if hparams.z_size:
            posterior = self.encode(tf.to_float(input_sequence)[:, :steps], lengths, controls)
            mean, stddev = posterior.loc, posterior.stddev()
            z = mean + stddev * self._random.normal(mean.shape)
            kl = objective.kl_divergence(mean, stddev)
        r_loss, metrics, outputs = self._decode(targets, lengths, z, controls)
        added = {}  # Losses beside Magenta's, `[batch]`; the hparam NAME_weight weighs each.
        if own_hparams.value(hparams, "fraternal_weight"):
            with tf.variable_scope(tf.get_variable_scope(), reuse=tf.AUTO_REUSE):
                other_loss, _, other_outputs = self._decode(targets, lengths, z, controls)
            r_loss = (r_loss + other_loss) / 2
            added["fraternal"] = tf.reduce_sum(tf.math.squared_difference(outputs, other_outputs), axis=[1, 2])
        if own_hparams.value(hparams, "auxiliary_weight") and z is not None:
            added["auxiliary"] = self._auxiliary_loss(targets, z)

        kl_terms = objective.kl_terms(kl, hparams)
        with tf.device(devices.HOST):
            beta = tf.convert_to_tensor(objective.beta(hparams, tf.to_float(self.global_step)))
        self.loss = tf.reduce_mean(r_loss) + beta * tf.reduce_mean(kl_terms["kl_loss"])
        for name, losses in added.items():
            self.loss += own_hparams.value(hparams, f"{name}_weight") * tf.reduce_mean(losses)
        scalars = {
            "loss": self.loss,
            "losses/r_loss": r_loss,
            **{f"losses/{name}": values for name, values in (kl_terms | added).items()},
            "losses/kl_beta": beta,
        }
        return metrics, scalars

    def _decode(self, targets, lengths, z, controls) -> tuple[tf.Tensor, dict, tf.Tensor]:
        """Returns the loss `[batch]`, streaming metrics and outputs `[batch, steps, depth]` with teacher forcing.

        Each call draws dropout and word dropout anew.
        """
        inputs = self._with_word_dropout(sequences.one_step_late(targets))
        loss, metrics, results = self.decoder.reconstruction_loss(inputs, targets, lengths, z, controls)
        return loss, metrics, results.rnn_output

    def _auxiliary_loss(self, targets: tf.Tensor, z: tf.Tensor) -> tf.Tensor:
        """Returns the cross-entropy `[batch]`, nats, of all hits under a linear guess from the latent vector alone.

        In a hierarchy the guess is from the conductor's embedding of each bar. No step before helps, so what is in the
        window has to get into the latent vector; the weights of the guess are of no use after training.
        """
        hits = sequences.hits_of(targets)
        embeddings = getattr(self.decoder, "embeddings", z)
        per_embedding = hits.shape[0] * hits.shape[1] * hits.shape[2] // embeddings.shape[0]
        logits = tf.layers.dense(embeddings, per_embedding, name="auxiliary/hits")
        losses = tf.nn.sigmoid_cross_entropy_with_logits(tf.reshape(hits, logits.shape), logits)
        return tf.reduce_sum(tf.reshape(losses, [hits.shape[0], -1]), axis=1)
