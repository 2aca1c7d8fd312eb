"""Our encoder beside Magenta's: any number of layers, any lengths."""

from __future__ import annotations

import numpy as np
import pytest
from magenta.models.music_vae import lstm_models

import configs
from models import encoders
from models.magenta import tf
from tests.beside_magenta import BATCH, WITHOUT_DROPOUT, check, same_noise


@pytest.mark.parametrize("steps", [7, None])
def test_the_encoding_is_magentas(steps):
    """Without a known number of steps, as in inference, too."""
    hparams = configs.with_hparams(configs.CONFIG_MAP["groovae_4bar"], f"enc_rnn_size=[4,3],{WITHOUT_DROPOUT}").hparams
    sequences = np.random.default_rng(0).normal(size=[3, 7, 5]).astype(np.float32)
    encodings = []
    for encoder in (lstm_models.BidirectionalLstmEncoder(), encoders.BidirectionalLstmEncoder()):
        with tf.Graph().as_default(), tf.Session() as session:
            encoder.build(hparams, is_training=False)
            given = tf.placeholder(tf.float32, [3, steps, 5])
            encoding = encoder.encode(given, tf.constant([7, 0, 4]))
            rng = np.random.default_rng(1)
            for variable in sorted(tf.global_variables(), key=lambda variable: variable.op.name):
                variable.load(rng.normal(0, 0.5, variable.shape), session)
            encodings.append(session.run(encoding, {given: sequences}))
    assert encodings[0].shape == (3, 6)
    np.testing.assert_allclose(*encodings, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("lengths", [[12, 0, 12], [[4, 1, 3], [4, 4, 4], [0, 2, 4]]])
@pytest.mark.parametrize("steps", [12, None])
def test_a_hierarchy_is_magentas(lengths, steps):
    hparams = configs.with_hparams(
        configs.CONFIG_MAP["groovae_4bar"], f"enc_rnn_size=[4],max_seq_len=12,{WITHOUT_DROPOUT}"
    ).hparams
    sequences = np.random.default_rng(0).normal(size=[3, 12, 5]).astype(np.float32)
    found = []
    stock = lstm_models.HierarchicalLstmEncoder(lstm_models.BidirectionalLstmEncoder, [4, 3])
    for encoder in (stock, encoders.HierarchicalLstmEncoder([4, 3])):
        with tf.Graph().as_default(), tf.Session() as session:
            encoder.build(hparams, is_training=False)
            given = tf.placeholder(tf.float32, [3, 12 if encoder is stock else steps, 5])
            encoding = encoder.encode(given, tf.constant(lengths))
            variables = sorted(tf.trainable_variables(), key=lambda variable: variable.op.name)
            gradients = tf.gradients(tf.reduce_sum(tf.square(encoding)), variables)
            rng = np.random.default_rng(1)
            for variable in variables:
                variable.load(rng.normal(0, 0.5, variable.shape), session)
            names = [variable.op.name for variable in variables]
            found.append((names, session.run([encoding, *gradients], {given: sequences})))
    (their_names, theirs), (our_names, ours) = found
    assert our_names == their_names
    assert ours[0].shape == (3, 8)
    for our, their in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(our, their, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "layers",
    [
        pytest.param("enc_rnn_size=[5,4,3],dec_rnn_size=[4,6,5]", marks=pytest.mark.thorough),
        "enc_rnn_size=[5],dec_rnn_size=[5,5],residual_encoder=True,residual_decoder=True",
    ],
)
def test_with_other_layers(layers, monkeypatch):
    with same_noise(monkeypatch):
        for name in ("groovae_4bar", "hier-drums_4bar"):
            check(name, f"batch_size={BATCH},z_size=4,{layers},{WITHOUT_DROPOUT}")
