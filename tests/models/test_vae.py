"""Our model beside stock Magenta's: the same variables, batch and random numbers give the same loss and gradients."""

from __future__ import annotations

import numpy as np
import pytest

import configs
from models.magenta import tf
from models.vae import MusicVAE
from tests.beside_magenta import (
    BATCH,
    NAMES,
    SIZES,
    SOME,
    WITHOUT_DROPOUT,
    check,
    check_rounded,
    compute,
    is_drums,
    make_batch,
    same_noise,
)


@pytest.mark.parametrize("name", SOME)
def test_loss_gradients_metrics_and_samples_are_magentas(name, monkeypatch):
    with same_noise(monkeypatch):
        check(name, f"{SIZES},{WITHOUT_DROPOUT}", as_tokens=is_drums(name))


@pytest.mark.thorough
@pytest.mark.parametrize("name", NAMES)
def test_at_the_sizes_of_the_configs(name, monkeypatch):
    with same_noise(monkeypatch, configs.CONFIG_MAP[name].hparams.z_size):
        check(name, f"batch_size={BATCH},{WITHOUT_DROPOUT}", as_tokens=is_drums(name))


@pytest.mark.parametrize("name", ["hier-drums_4bar_small", "groovae_4bar"])
@pytest.mark.parametrize(
    "kl",
    [
        "free_bits=1,max_beta=0.9,beta_rate=0.95",
        pytest.param("free_bits=4,max_beta=0.2,beta_rate=0.0", marks=pytest.mark.thorough),
    ],
)
def test_with_kl_annealing_and_free_bits(name, kl, monkeypatch):
    with same_noise(monkeypatch):
        check(name, f"{SIZES},{WITHOUT_DROPOUT},{kl}")


@pytest.mark.parametrize("name", SOME)
def test_bf16_computes_nearly_the_same(name, monkeypatch):
    monkeypatch.setattr(MusicVAE, "precision", "bf16")
    with same_noise(monkeypatch):
        theirs = compute(name, f"{SIZES},{WITHOUT_DROPOUT}", None, stock=True)
        ours = compute(name, f"{SIZES},{WITHOUT_DROPOUT}", theirs.values, stock=False)
    check_rounded(ours, theirs)


@pytest.mark.parametrize("name", ["hier-drums_4bar_groove", "groovae_4bar_groove"])
def test_each_level_of_a_hierarchy_computes_and_draws_as_the_model_does(name):
    """Its encoders are made by the model's `build`, after the model's attributes have been set."""
    inputs, _, lengths = make_batch(name)
    found = []
    for layers in ("steps", "steps", "block"):
        config = configs.with_hparams(configs.CONFIG_MAP[name], f"{SIZES},encoder_keep_prob=0.5")
        with tf.Graph().as_default() as graph, tf.Session() as session:
            tf.set_random_seed(1)
            config.model.layers, config.model.seed = layers, 2
            config.model.build(config.hparams, config.data_converter.output_depth, is_training=True)
            mean = config.model.encode(tf.constant(inputs), tf.constant(lengths // 64 * 64)).loc
            rng = np.random.default_rng(0)
            session.run(tf.global_variables_initializer())
            for variable in tf.trainable_variables():
                variable.load(rng.normal(0, 0.3, variable.shape), session)
            num_blocks = sum(operation.type.startswith("BlockLSTM") for operation in graph.get_operations())
            assert num_blocks == (4 if layers == "block" else 0)  # Two levels, two directions.
            found.append(session.run(mean))
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_allclose(found[0], found[2], atol=1e-5)


def initial(hparams: str) -> dict[str, np.ndarray]:
    """Returns the variables with which the training of a small model begins."""
    config = configs.with_hparams(configs.CONFIG_MAP["hier-drums_4bar_small"], f"{SIZES},{hparams}".strip(","))
    with tf.Graph().as_default(), tf.Session() as session:
        config.model.build(config.hparams, 512, is_training=True)
        config.model.train(tf.zeros([BATCH, 64, 10]), tf.zeros([BATCH, 64], tf.int32), tf.fill([BATCH], 64))
        session.run(tf.global_variables_initializer())
        return session.run({variable.op.name: variable for variable in tf.trainable_variables()})


def test_latent_vectors_begin_where_the_hparams_say():
    names = [
        "encoder/mu/kernel", "encoder/sigma/kernel",
        "decoder/hierarchical_level_0/initial_state/kernel", "core_decoder/decoder/z_to_initial_state/kernel",
    ]  # fmt: skip
    plain, louder = initial(""), initial("latent_init_stddev=0.5,sigma_bias=-2.0")
    for name in names:
        assert plain[name].std() == pytest.approx(0.001, rel=0.4), name
        assert louder[name].std() == pytest.approx(0.5, rel=0.4), name
    np.testing.assert_array_equal(plain["encoder/sigma/bias"], 0)
    np.testing.assert_array_equal(louder["encoder/sigma/bias"], -2)
    np.testing.assert_array_equal(louder["encoder/mu/bias"], 0)


def test_inputs_begin_as_loud_as_the_hparams_say():
    rows = {
        "encoder/cell_0/bidirectional_rnn/fw/multi_rnn_cell/cell_0/lstm_cell/kernel": 10,
        "encoder/cell_0/bidirectional_rnn/bw/multi_rnn_cell/cell_0/lstm_cell/kernel": 10,
        "core_decoder/decoder/multi_rnn_cell/cell_0/lstm_cell/kernel": 512,
    }
    plain, louder = initial(""), initial("input_init_stddev=2.0")
    for name, kernel in louder.items():
        loud = rows.get(name, 0)
        assert not loud or kernel[:loud].std() == pytest.approx(2, rel=0.2), name
        assert np.abs(kernel[loud:]).max(initial=0) <= 1, name  # Glorot's values of small kernels.
        assert np.abs(plain[name]).max() <= 1, name


@pytest.mark.parametrize("name", ["hier-drums_4bar_small", "groovae_4bar"])
def test_word_dropout_hides_steps_from_the_decoder_in_training(name):
    steps = np.random.default_rng(0).integers(0, 512, [BATCH, 64]).astype(np.int32)
    depth = configs.CONFIG_MAP[name].data_converter.output_depth
    given = steps if is_drums(name) else np.random.default_rng(0).random([BATCH, 64, depth], np.float32)
    seen = {}
    for share in (0.0, 0.5, 1.0):
        config = configs.with_hparams(configs.CONFIG_MAP[name], f"{SIZES},word_dropout={share}")
        with tf.Graph().as_default(), tf.Session() as session:
            config.model.seed = 1
            config.model.build(config.hparams, depth, is_training=True)
            hidden = config.model._with_word_dropout(tf.constant(given))
            session.run(tf.global_variables_initializer())
            seen[share] = session.run(hidden)
    np.testing.assert_array_equal(seen[0.0], given)
    nothing = -1 if is_drums(name) else 0
    assert (seen[1.0] == nothing).mean() > 0.99
    is_hidden = (seen[0.5] == nothing).reshape([BATCH, 64, -1]).all(axis=-1)
    assert is_hidden.mean() == pytest.approx(0.5, abs=0.12)
    np.testing.assert_array_equal(seen[0.5][~is_hidden], given[~is_hidden])


@pytest.mark.parametrize("name", ["hier-drums_4bar_small", "groovae_4bar"])
def test_the_auxiliary_loss_is_a_guess_of_the_hits_from_the_latent_vector(name):
    """Before training the guess is even, and its gradient reaches the encoder without any step of the decoder."""
    config = configs.with_hparams(configs.CONFIG_MAP[name], f"{SIZES},auxiliary_weight=0.5")
    depth, input_depth = config.data_converter.output_depth, config.data_converter.input_depth
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 512, [BATCH, 64]) if is_drums(name) else rng.random([BATCH, 64, depth]) < 0.3
    with tf.Graph().as_default(), tf.Session() as session:
        config.model.build(config.hparams, depth, is_training=True)
        _, scalars = config.model._compute_model_loss(
            tf.constant(rng.random([BATCH, 64, input_depth], np.float32)),
            tf.constant(targets.astype(np.int32 if is_drums(name) else np.float32)),
            tf.fill([BATCH], 64),
            None,
        )
        terms = [tf.reduce_mean(scalars[f"losses/{term}"]) for term in ("r_loss", "kl_loss", "auxiliary")]
        (kernel,) = (variable for variable in tf.trainable_variables() if variable.op.name == "encoder/mu/kernel")
        gradient = tf.gradients(terms[2], kernel)[0]
        session.run(tf.global_variables_initializer())
        loss, beta, (r_loss, kl_loss, auxiliary), gradient = session.run(
            [config.model.loss, scalars["losses/kl_beta"], terms, gradient]
        )
    assert loss == pytest.approx(r_loss + beta * kl_loss + 0.5 * auxiliary)
    assert auxiliary == pytest.approx(64 * 9 * np.log(2), rel=0.02)
    assert np.abs(gradient).max() > 0


@pytest.mark.parametrize("name", ["hier-drums_4bar_small", "groovae_4bar"])
def test_fraternal_dropout_is_how_far_two_decodings_are_apart(name):
    """Without dropout they are one; with it they differ, and both losses count."""
    depth = configs.CONFIG_MAP[name].data_converter.output_depth
    inputs, outputs, lengths = make_batch(name)
    found = {}
    for keep_prob in (1.0, 0.5):
        overrides = f"{SIZES},{WITHOUT_DROPOUT},decoder_keep_prob={keep_prob},fraternal_weight=0.1"
        config = configs.with_hparams(configs.CONFIG_MAP[name], overrides)
        config.model.seed = 1
        with tf.Graph().as_default(), tf.Session() as session:
            config.model.build(config.hparams, depth, is_training=True)
            arguments = [tf.constant(array) for array in (inputs, outputs, lengths)]
            _, scalars = config.model._compute_model_loss(*arguments, None)
            names = [variable.op.name for variable in tf.trainable_variables()]
            session.run(tf.global_variables_initializer())
            terms = [tf.reduce_mean(scalars[f"losses/{term}"]) for term in ("r_loss", "kl_loss", "fraternal")]
            loss, beta, found[keep_prob] = session.run([config.model.loss, scalars["losses/kl_beta"], terms])
        r_loss, kl_loss, distance = found[keep_prob]
        assert loss == pytest.approx(r_loss + beta * kl_loss + 0.1 * distance, rel=1e-5)
        assert len(names) == len(set(names))
    assert found[1.0][2] == 0
    assert found[0.5][2] > 0


def hierarchy_encoded(step: int, **attributes) -> tuple[np.ndarray, list[str]]:
    """Returns what the encoder of bars and of their sequence makes of a batch in training, and its graph's types."""
    overrides = f"{SIZES},encoder_keep_prob=0.5"
    config = configs.with_hparams(configs.CONFIG_MAP["hier-drums_4bar_groove_hikl"], overrides)
    with tf.Graph().as_default() as graph, tf.Session() as session:
        for name, value in attributes.items():
            setattr(config.model, name, value)
        config.model.build(config.hparams, 512, is_training=True)
        encoding = config.model.encode(tf.ones([BATCH, 64, config.data_converter.input_depth]), tf.fill([BATCH], 64))
        types = [operation.type for operation in graph.get_operations()]
        for variable in tf.trainable_variables():
            variable.load(np.random.default_rng(1).normal(0, 0.5, variable.shape), session)
        config.model.global_step.load(step, session)
        return session.run(encoding.loc), types


def test_the_dropout_of_all_encoders_of_a_hierarchy_follows_from_seed_and_step():
    found = [hierarchy_encoded(step, seed=seed)[0] for step, seed in ((1, 1), (1, 1), (2, 1), (1, 2))]
    np.testing.assert_array_equal(found[0], found[1])
    assert not np.isclose(found[0], found[2]).any()
    assert not np.isclose(found[0], found[3]).any()


def test_all_encoders_of_a_hierarchy_compute_as_their_model_does():
    at_once, types = hierarchy_encoded(1, seed=1, layers="block")
    assert types.count("BlockLSTM") == 2 * 2  # Of the bars, and of their sequence, both ways.
    assert not {"While", "StatelessWhile"} & set(types)
    in_steps, types = hierarchy_encoded(1, seed=1, layers="steps")
    assert "BlockLSTM" not in types
    np.testing.assert_allclose(at_once, in_steps, rtol=1e-4, atol=1e-5)
    rounded, _ = hierarchy_encoded(1, seed=1, layers="steps", precision="bf16")
    np.testing.assert_allclose(rounded, in_steps, atol=0.05)
    assert not np.array_equal(rounded, in_steps)
