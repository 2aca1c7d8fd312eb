"""Our decoders beside Magenta's: the same variables, the same losses, the same gradients."""

import numpy as np
import pytest
from magenta.models.music_vae import lstm_models
from magenta.models.music_vae.base_model import MusicVAE

import configs
from models.hierarchical_decoder import core_decoders
from models.magenta import tf
from tests.beside_magenta import (
    BATCH,
    SIZES,
    SOME,
    WITHOUT_DROPOUT,
    check,
    compute,
    draw_losses,
    is_drums,
    same_noise,
)

SCHEDULES = {
    "constant": "sampling_schedule=constant,sampling_rate=0.6",
    "exponential": "sampling_schedule=exponential,sampling_rate=0.97",
    "inverse sigmoid": "sampling_schedule=inverse_sigmoid,sampling_rate=10",
}


def upstream_model(name: str) -> MusicVAE:
    encoder = lstm_models.BidirectionalLstmEncoder()
    core = lstm_models.GrooveLstmDecoder() if name.startswith("groovae") else lstm_models.CategoricalLstmDecoder()
    if name == "groovae_4bar":
        return MusicVAE(encoder, core)
    if name.endswith("_groove"):
        encoder = lstm_models.HierarchicalLstmEncoder(lstm_models.BidirectionalLstmEncoder, [16, 4])
    return MusicVAE(
        encoder, lstm_models.HierarchicalLstmDecoder(core, level_lengths=[4, 16], disable_autoregression=True)
    )


def batch(name: str, seed: int = 0):
    """Random inputs, outputs and lengths, as the config's converter would make them."""
    rng = np.random.default_rng(seed)
    if name.startswith("groovae"):
        groove = rng.uniform(-1, 1, [BATCH, 64, 27]).astype(np.float32)
        groove[..., :9] = rng.random([BATCH, 64, 9]) < 0.3
        last = 64 if name.endswith("_groove") else 48
        return groove, groove, np.array([64, 64, last], np.int32)
    tokens = rng.integers(0, 512, [BATCH, 64])
    roll = (rng.random([BATCH, 64, 10]) < 0.3).astype(np.float32)
    return roll, np.eye(512, dtype=np.float32)[tokens], np.full([BATCH], 64, np.int32)


def run(name: str, overrides: str, model: MusicVAE | None, values: dict | None, is_training: bool = True):
    """Builds a model, gives its variables `values` (random ones if None), returns them, the loss and the gradients.

    The latent vectors are the posterior's means, so that nothing is drawn.
    """
    config = configs.with_hparams(configs.CONFIG_MAP[name], overrides)
    model = model or config.model
    inputs, outputs, lengths = batch(name)
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(1)
        model.build(config.hparams, config.data_converter.output_depth, is_training)
        z = model.encode(tf.constant(inputs), tf.constant(lengths)).loc
        late = np.pad(outputs[:, :-1], [(0, 0), (1, 0), (0, 0)])
        loss, _, results = model.decoder.reconstruction_loss(
            tf.constant(late), tf.constant(outputs), tf.constant(lengths), z
        )
        variables = tf.trainable_variables()
        gradients = [g for g in tf.gradients(loss, variables) if g is not None]
        session.run(tf.global_variables_initializer())
        rng = np.random.default_rng(5)
        for variable in variables:
            name_ = variable.op.name
            variable.load(values[name_] if values else rng.normal(0, 0.3, variable.shape), session)
        fetched = session.run([loss, gradients, results.rnn_output])
        return {v.op.name: v.eval(session) for v in variables}, *fetched


def check_like_upstream(name: str, overrides: str) -> None:
    """Asserts that a config's model and Magenta's, with the same variables, have the same losses and gradients."""
    values, loss, gradients, outputs = run(name, overrides, upstream_model(name), None)
    same_values, our_loss, our_gradients, our_outputs = run(name, overrides, None, values)
    assert same_values.keys() == values.keys()  # The names under which a checkpoint keeps them.
    np.testing.assert_allclose(our_loss, loss, rtol=1e-5)
    np.testing.assert_allclose(our_outputs, outputs, rtol=1e-4, atol=1e-6)
    for ours, theirs in zip(our_gradients, gradients, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)


def test_losses_and_gradients_are_upstreams():
    check_like_upstream("groovae_4bar", SIZES + ",dropout_keep_prob=1.0")


def test_the_loss_stops_at_each_sequences_length():
    _, loss, *_ = run("groovae_4bar", SIZES + ",dropout_keep_prob=1.0", None, None)
    assert loss[2] < 0.9 * min(loss[:2])  # 48 steps instead of 64.


@pytest.mark.parametrize(("is_training", "repeats"), [(True, False), (False, True)])
def test_dropout_is_on_in_training_alone(is_training, repeats):
    config = configs.with_hparams(configs.CONFIG_MAP["hier-drums_4bar_small"], SIZES + ",dropout_keep_prob=0.3")
    _, outputs, lengths = batch("hier-drums_4bar_small")
    with tf.Graph().as_default(), tf.Session() as session:
        config.model.build(config.hparams, 512, is_training)
        loss = config.model.decoder.reconstruction_loss(
            tf.constant(outputs), tf.constant(outputs), tf.constant(lengths), tf.ones([BATCH, 4])
        )[0]
        session.run(tf.global_variables_initializer())
        for variable in tf.trainable_variables():
            variable.load(np.random.default_rng(0).normal(0, 1, variable.shape), session)
        first, second = (session.run(loss) for _ in range(2))
    assert np.array_equal(first, second) == repeats


def test_scheduled_sampling_feeds_the_models_own_choices():
    """With sampling probability 1 the inputs after the first step no longer matter."""
    losses = []
    for seed in (0, 1):
        config = configs.with_hparams(
            configs.CONFIG_MAP["hier-drums_4bar_small"], SIZES + ",sampling_schedule=constant,sampling_rate=1.0"
        )
        _, outputs, lengths = batch("hier-drums_4bar_small")
        inputs = batch("hier-drums_4bar_small", seed)[1]
        inputs[:, ::16] = 0  # The first step of each bar is always an input.
        with tf.Graph().as_default(), tf.Session() as session:
            tf.set_random_seed(3)
            config.model.seed = 3  # The loop draws the numbers of several steps at once; with a seed, in any order.
            config.model.build(config.hparams, 512, is_training=True)
            loss = config.model.decoder.reconstruction_loss(
                tf.constant(inputs), tf.constant(outputs), tf.constant(lengths), tf.ones([BATCH, 4])
            )[0]
            session.run(tf.global_variables_initializer())
            losses.append(session.run(loss))
    np.testing.assert_allclose(*losses, rtol=1e-5)


@pytest.mark.parametrize("name", ["hier-drums_4bar_small", "groovae_4bar"])
@pytest.mark.parametrize(
    "schedule",
    ["constant", *(pytest.param(name, marks=pytest.mark.thorough) for name in ("exponential", "inverse sigmoid"))],
)
def test_with_scheduled_sampling(name, schedule, monkeypatch):
    with same_noise(monkeypatch):
        check(name, f"{SIZES},{WITHOUT_DROPOUT},{SCHEDULES[schedule]}", as_tokens=is_drums(name))


RESIDUAL = ",residual_encoder=True,residual_decoder=True"


@pytest.mark.parametrize(
    ("name", "hparams"),
    [
        ("groovae_4bar", ""),
        *(
            pytest.param(*each, marks=pytest.mark.thorough)
            for each in (
                ("hier-drums_4bar_small", ""),
                ("groovae_4bar", RESIDUAL),
                ("hier-drums_4bar_small", RESIDUAL),
                ("groovae_4bar", f",{SCHEDULES['constant']}"),
            )
        ),
    ],
)
def test_dropout_has_the_same_distribution(name, hparams, monkeypatch):
    with same_noise(monkeypatch):
        values = compute(name, f"{SIZES},{WITHOUT_DROPOUT}{hparams}", None, stock=True).values
    theirs, ours = (
        draw_losses(name, values, stock=stock, is_training=True, count=400, hparams=hparams) for stock in (True, False)
    )
    standard_error = np.sqrt((theirs.var() + ours.var()) / 400)
    print(f"{name:24}{theirs.mean():.2f} ± {theirs.std():.2f}, ours {ours.mean():.2f} ± {ours.std():.2f}")
    assert abs(theirs.mean() - ours.mean()) < 4 * standard_error
    assert ours.std() == pytest.approx(theirs.std(), rel=0.2)


@pytest.mark.parametrize("name", SOME)
def test_there_is_no_dropout_outside_of_training(name, monkeypatch):
    with same_noise(monkeypatch):
        values = compute(name, f"{SIZES},{WITHOUT_DROPOUT}", None, stock=True).values
    assert len(set(draw_losses(name, values, stock=False, is_training=False, count=3))) == 1


@pytest.mark.parametrize("name", ["groovae_4bar", "groovae_4bar_groove"])
def test_given_hits_are_played_as_the_decoder_goes_on_from_what_it_has_played(name):
    config = configs.with_hparams(configs.CONFIG_MAP[name], SIZES)
    (core,) = core_decoders(config.model.decoder)
    hits = np.random.default_rng(1).random([BATCH, 64, 9]) < 0.3
    with tf.Graph().as_default(), tf.Session() as session:
        config.model.build(config.hparams, config.data_converter.output_depth, is_training=False)
        z = tf.constant(np.random.default_rng(2).normal(size=[BATCH, config.hparams.z_size]), tf.float32)
        heard = tf.placeholder(tf.float32, [BATCH, 64, 27])
        with tf.variable_scope(tf.get_variable_scope(), reuse=tf.AUTO_REUSE):
            told = config.model.decoder.reconstruction_loss(heard, heard, tf.fill([BATCH], 64), z)[2].rnn_output
            with core.given_hits(tf.constant(hits, tf.float32)):
                given, _ = config.model.sample(BATCH, 64, z)
            free, _ = config.model.sample(BATCH, 64, z)
        session.run(tf.global_variables_initializer())
        for variable in tf.trainable_variables():  # Loud enough for one step to matter to the next.
            variable.load(np.random.default_rng(3).normal(0, 0.3, variable.shape), session)
        played = session.run(given)
        decoded = session.run(told, {heard: np.pad(played[:, :-1], [(0, 0), (1, 0), (0, 0)])})
        freely = session.run(free)

    np.testing.assert_array_equal(played[..., :9], hits)
    np.testing.assert_allclose(played[..., 9:18], hits / (1 + np.exp(-decoded[..., 9:18])), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(played[..., 18:], hits * np.tanh(decoded[..., 18:]), rtol=1e-4, atol=1e-5)
    assert not np.array_equal(freely[..., :9], hits)  # Behind the context nothing is given any more.
