"""Our models and stock Magenta's with the same variables, batch and random numbers.

`pytest tests/models -s` prints the largest differences of each config.
"""

from __future__ import annotations

import contextlib
import dataclasses

import numpy as np
import pytest
import tensorflow_probability as tfp
from magenta.contrib import seq2seq
from magenta.models.music_vae import lstm_models

import configs
from benchmarks import magenta_configs
from models import decoders, sequences
from models.magenta import tf
from models.stateless_random import StatelessRandom

NAMES = [*magenta_configs.DRUMS, *magenta_configs.GROOVES]
# Of each kind one; the others with what is thorough.
SOME = [
    name if name in ("hier-drums_4bar_small", "groovae_4bar") else pytest.param(name, marks=pytest.mark.thorough)
    for name in NAMES
]
BATCH = 3
SIZES = f"batch_size={BATCH},enc_rnn_size=[7],dec_rnn_size=[6,5],z_size=4"
WITHOUT_DROPOUT = "dropout_keep_prob=1.0"
STEP = 30  # Of the training: annealing and schedules are in the midst of it.
LOSS_TOLERANCE, GRADIENT_TOLERANCE = 1e-5, 1e-3  # Relative; gradients to the largest of their variable.


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a model makes of a batch."""

    loss: float
    gradients: dict[str, np.ndarray]
    metrics: dict[str, float]
    samples: np.ndarray
    values: dict[str, np.ndarray]


def is_drums(name: str) -> bool:
    return name in magenta_configs.DRUMS


def make_batch(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns inputs, outputs and lengths as the config's converter would make them, one of them shorter."""
    rng = np.random.default_rng(0)
    if is_drums(name):
        tokens = rng.integers(0, 512, [BATCH, 64])
        lengths = np.array([64, 0, 64], np.int32)
        outputs = np.eye(512, dtype=np.float32)[tokens]
        inputs = (rng.random([BATCH, 64, 10]) < 0.3).astype(np.float32)
    else:
        lengths = np.array([64, 64, 48], np.int32)
        outputs = rng.uniform(-1, 1, [BATCH, 64, 27]).astype(np.float32)
        outputs[..., :9] = rng.random([BATCH, 64, 9]) < 0.3
        inputs = rng.uniform(-1, 1, [BATCH, 64, 27]).astype(np.float32)
    counted = (np.arange(64) < lengths[:, np.newaxis])[..., np.newaxis]
    return inputs * counted, outputs * counted, lengths


@contextlib.contextmanager
def same_noise(monkeypatch, z_size: int = 4):
    """Both models draw the same latent vectors, let the same sequences go on by themselves, and take the likeliest."""
    z = np.random.default_rng(1).normal(size=[BATCH, z_size]).astype(np.float32)
    chance = np.array([0.1, 0.5, 0.9], np.float32)

    def sample_latent(self, *_args, **_kwargs):
        return self.loc + self.stddev() * z

    def uniform(_, shape, time=0):
        del time
        return tf.repeat(
            chance, tf.TensorShape(shape).num_elements() // BATCH
        )  # The bars of a sequence lie one after the other.

    def likeliest(self, outputs, *_args, **_kwargs):
        if isinstance(self, lstm_models.CategoricalLstmDecoder):
            return tf.one_hot(tf.argmax(outputs, axis=-1), outputs.shape[-1])
        hits, velocities, offsets = tf.split(outputs, 3, axis=1)
        return tf.concat([tf.to_float(hits > 0), tf.sigmoid(velocities), tf.tanh(offsets)], axis=1)

    def bernoulli(probs, sample_shape, **_):
        del sample_shape
        return tf.cast(chance < probs, tf.int32)

    with monkeypatch.context() as patch:
        patch.setattr(tfp.distributions.MultivariateNormalDiag, "sample", sample_latent)
        patch.setattr(StatelessRandom, "normal", lambda _, shape: tf.constant(z))
        patch.setattr(StatelessRandom, "uniform", uniform)
        patch.setattr(seq2seq, "bernoulli_sample", bernoulli)
        for ours, theirs in (
            (decoders.CategoricalLstmDecoder, lstm_models.CategoricalLstmDecoder),
            (decoders.GrooveLstmDecoder, lstm_models.GrooveLstmDecoder),
        ):
            patch.setattr(ours, "draw", lambda self, outputs, time: likeliest(self, outputs))
            patch.setattr(theirs, "_sample", likeliest)
        yield


def compute(
    name: str, overrides: str, values: dict | None, *, stock: bool, as_tokens=False, is_training=True
) -> Outcome:
    """Returns what stock Magenta's or our model of a config makes of the batch, with the variables' `values`."""
    config = magenta_configs.build(name) if stock else configs.CONFIG_MAP[name]
    config = configs.with_hparams(config, overrides)
    converter, model = config.data_converter, config.model
    inputs, outputs, lengths = (tf.constant(array) for array in make_batch(name))
    with tf.Graph().as_default(), tf.Session() as session:
        inputs, outputs, lengths = (tf.constant(array) for array in make_batch(name))
        if as_tokens:
            outputs = sequences.as_tokens(outputs)
        model.build(config.hparams, converter.output_depth, is_training)
        metrics, _ = model._compute_model_loss(inputs, outputs, lengths, None)
        variables = tf.trainable_variables()
        gradients = tf.gradients(model.loss, variables)
        with tf.variable_scope(tf.get_variable_scope(), reuse=tf.AUTO_REUSE):
            samples, _ = model.sample(BATCH, 64, tf.ones([BATCH, config.hparams.z_size]), temperature=0.5)
        session.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
        rng = np.random.default_rng(5)
        for variable in variables:
            deviation = 0.3 / np.sqrt(max(1, int(variable.shape[0]) / 20))  # Of the size that training begins with.
            value = values[variable.op.name] if values else rng.normal(0, deviation, variable.shape)
            variable.load(value, session)
        model.global_step.load(STEP, session)
        named = zip(variables, gradients, strict=True)
        fetches = {
            "gradients": {variable.op.name: gradient for variable, gradient in named if gradient is not None},
            "loss": model.loss,
            "samples": samples,
            "values": {variable.op.name: variable for variable in variables},
        }
        fetched = session.run(fetches | {"updates": [update for _, update in metrics.values()]})
        del fetched["updates"]
        return Outcome(**fetched, metrics=session.run({key: value for key, (value, _) in metrics.items()}))


def worst_gradient(ours: Outcome, theirs: Outcome) -> float:
    """Returns the largest difference of a gradient, relative to the largest value of that variable's gradient."""
    assert ours.gradients.keys() == theirs.gradients.keys()
    return max(
        np.abs(gradient - theirs.gradients[name]).max() / np.abs(theirs.gradients[name]).max()
        for name, gradient in ours.gradients.items()
        if np.abs(theirs.gradients[name]).max() > 0
    )


def check(name: str, overrides: str, **options) -> None:
    theirs = compute(name, overrides, None, stock=True)
    ours = compute(name, overrides, theirs.values, stock=False, **options)
    assert ours.values.keys() == theirs.values.keys()  # The names under which a checkpoint keeps them.
    assert ours.metrics.keys() == theirs.metrics.keys()
    loss_error = abs(ours.loss - theirs.loss) / theirs.loss
    gradient_error = worst_gradient(ours, theirs)
    print(f"{name:24}{overrides:120} loss {loss_error:.1e}  gradients {gradient_error:.1e}")
    assert loss_error < LOSS_TOLERANCE
    assert gradient_error < GRADIENT_TOLERANCE
    for key, value in theirs.metrics.items():
        assert ours.metrics[key] == pytest.approx(value, rel=1e-4), key
    np.testing.assert_allclose(ours.samples, theirs.samples, rtol=1e-4, atol=1e-5)


def check_rounded(ours: Outcome, theirs: Outcome) -> None:
    """Checks an outcome that was computed with numbers of 16 bits: nearly the same, and not the same."""
    assert ours.loss == pytest.approx(theirs.loss, rel=0.01)
    assert ours.loss != theirs.loss
    for gradient_name, gradient in theirs.gradients.items():
        ours_of_it = ours.gradients[gradient_name]
        assert ours_of_it.dtype == np.float32
        if np.abs(gradient).max() > 0:
            alike = np.sum(gradient * ours_of_it) / np.linalg.norm(gradient) / np.linalg.norm(ours_of_it)
            assert alike > 0.99, gradient_name


def draw_losses(
    name: str, values: dict, *, stock: bool, is_training: bool, count: int, hparams: str = ""
) -> np.ndarray:
    """Returns the reconstruction losses of the batch's first sequence, with dropout anew each time."""
    config = magenta_configs.build(name) if stock else configs.CONFIG_MAP[name]
    config = configs.with_hparams(config, f"{SIZES},dropout_keep_prob=0.5{hparams}")
    inputs, outputs, lengths = make_batch(name)
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(3)
        if not stock:
            config.model.seed = 4
        config.model.build(config.hparams, config.data_converter.output_depth, is_training)
        z = config.model.encode(tf.constant(inputs), tf.constant(lengths)).loc
        late = sequences.one_step_late(tf.constant(outputs))
        loss, _, _ = config.model.decoder.reconstruction_loss(late, tf.constant(outputs), tf.constant(lengths), z)
        for variable in tf.trainable_variables():
            variable.load(values[variable.op.name], session)
        losses = []
        for step in range(count):
            config.model.global_step.load(step, session)
            losses.append(session.run(loss)[0])
        return np.array(losses)
