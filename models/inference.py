"""A trained model encodes tensors and decodes latent vectors; the same seed gives the same ones."""

from __future__ import annotations

import os

import numpy as np

from models import checkpoints, drawing, restoring
from models.latents import Mixture
from models.magenta import session_config, tf


class TrainedModel:
    """A config's model with the variables of a checkpoint.

    It does what Magenta's `trained_model.TrainedModel` does, with a seed, without dropout anywhere, and it compares the
    checkpoint with the config before loading it.
    """

    def __init__(
        self,
        config,
        checkpoint: str | os.PathLike[str],
        batch_size: int,
        seed: int | None = None,
        latents: Mixture | None = None,
    ) -> None:
        """Builds the graph and loads the checkpoint.

        Args:
            config: A config of CONFIG_MAP, which is changed and must not be used elsewhere.
            checkpoint: A folder of checkpoints, a prefix or a tar.
            batch_size: The number of sequences that are computed at once.
            seed: The seed of all random numbers; None draws a new one.
            latents: What `draw` draws from; None is the prior.

        Raises:
            FileNotFoundError: there is no such checkpoint.
            ValueError: it does not fit the config.
        """
        self.config = config
        self._batch_size = batch_size
        self._latents = latents
        self._rng = np.random.default_rng(seed)
        self._graph = tf.Graph()
        with self._graph.as_default():
            tf.set_random_seed(seed if seed is not None else int(self._rng.integers(2**31)))
            self._build()
            self._session = tf.Session(config=session_config())
            with checkpoints.unpacked(checkpoint) as path:
                self.checkpoint = path
                restoring.restore(self._session, path)

    def _build(self) -> None:
        config, batch_size = self.config, self._batch_size
        converter, hparams = config.data_converter, config.hparams
        hparams.batch_size = batch_size
        converter.set_mode("infer")
        config.model.build(hparams, converter.output_depth, is_training=False)
        drawing.draw_in_order(config.model.decoder)
        self._temperature = tf.placeholder(tf.float32, [])
        self._z = tf.placeholder(tf.float32, [batch_size, hparams.z_size]) if hparams.z_size else None
        controls = tf.placeholder(tf.float32, [None, converter.control_depth])
        self._samples, _ = config.model.sample(
            batch_size,
            max_length=tf.constant(hparams.max_seq_len),
            z=self._z,
            c_input=controls if converter.control_depth else None,
            temperature=self._temperature,
        )
        if not hparams.z_size:
            return
        self._inputs = tf.placeholder(tf.float32, [batch_size, None, converter.input_depth])
        self._input_controls = tf.placeholder(tf.float32, [batch_size, None, converter.control_depth])
        self._lengths = tf.placeholder(tf.int32, [batch_size, *converter.length_shape])
        posterior = config.model.encode(
            self._inputs, self._lengths, self._input_controls if converter.control_depth else None
        )
        self._posterior = tf.stack([posterior.loc, posterior.stddev()], axis=1)

    def draw(self, n: int) -> np.ndarray:
        """Returns `[n, z_size]` latent vectors from `latents`, or from the prior, a standard normal distribution."""
        if self._latents:
            return self._latents.draw(n, self._rng)
        return self._rng.standard_normal([n, self.config.hparams.z_size], np.float32)

    def encode(self, inputs: np.ndarray, lengths: np.ndarray, controls: np.ndarray) -> np.ndarray:
        """Returns the posterior's means `[n, z_size]`.

        Args:
            inputs: `[n, steps, input_depth]`.
            lengths: `[n, *length_shape]`, steps.
            controls: `[n, steps, control_depth]`.
        """
        return self.posterior(inputs, lengths, controls)[0]

    def posterior(self, inputs: np.ndarray, lengths: np.ndarray, controls: np.ndarray) -> np.ndarray:
        """Returns the posterior's means and standard deviations, `[2, n, z_size]`; the arguments are `encode`'s."""
        feeds = {self._inputs: inputs, self._lengths: lengths, self._input_controls: controls}
        return self._run(self._posterior, feeds, len(inputs), {}).swapaxes(0, 1)

    def decode(self, z: np.ndarray, temperature: float) -> np.ndarray:
        """Samples one sequence from each latent vector, for configs that decode under no controls.

        Args:
            z: `[n, z_size]`; for a config without latent vectors `[n, 0]`.
            temperature: Above 0; at 1 samples have the learnt probabilities, the lower the likelier they are.

        Returns:
            `[n, steps, output_depth]`; with an end token `steps` can be shorter than max_seq_len.
        """
        feeds = {} if self._z is None else {self._z: z}
        return self._run(self._samples, feeds, len(z), {self._temperature: temperature})

    def variables(self) -> dict[str, np.ndarray]:
        """Returns the model's variables and its global step by their names in a checkpoint; nothing of the training."""
        with self._graph.as_default():
            return self._session.run({variable.op.name: variable for variable in tf.global_variables()})

    def _run(self, fetch: tf.Tensor, feeds: dict, n: int, constants: dict) -> np.ndarray:
        """Computes `fetch` in batches; the last batch is filled up with its own first rows."""
        parts = []
        for start in range(0, n, self._batch_size):
            rows = np.resize(np.arange(start, min(n, start + self._batch_size)), self._batch_size)
            parts.append(self._session.run(fetch, constants | {key: value[rows] for key, value in feeds.items()}))
        longest = max(part.shape[1] for part in parts)  # With end tokens, batches differ in length.
        widths = [[(0, 0), (0, longest - part.shape[1]), (0, 0)][: part.ndim] for part in parts]
        return np.concatenate([np.pad(part, width) for part, width in zip(parts, widths, strict=True)])[:n]
