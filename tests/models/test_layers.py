"""Layers have Magenta's variables, and parts that Magenta's own layers compute say why."""

from __future__ import annotations

import numpy as np
import pytest
from magenta.models.music_vae import lstm_utils

import configs
from models import layers
from models.magenta import tf
from tests.beside_magenta import NAMES, SIZES


def test_variables_are_made_once_under_the_names_that_magenta_gives_them():
    with tf.Graph().as_default():
        cell = lstm_utils.rnn_cell([3, 2], dropout_keep_prob=1.0, residual=False)
        hparams = configs.CONFIG_MAP["cat-drums_2bar_small"].hparams
        with tf.variable_scope("decoder"):
            made = layers.variables_of(cell, 5, hparams=hparams)
            assert layers.variables_of(cell, 5, hparams=hparams) == made
        assert [[tensor.shape.as_list() for tensor in pair] for pair in made] == [[[8, 12], [12]], [[5, 8], [8]]]
        assert [variable.op.name for variable in tf.global_variables()] == [
            f"decoder/multi_rnn_cell/cell_{number}/lstm_cell/{name}" for number in (0, 1) for name in ("kernel", "bias")
        ]


@pytest.mark.parametrize(
    ("overrides", "reasons"),
    [
        ("", []),
        ("residual_encoder=True", ["residual connections"]),
        ("sampling_schedule=constant,sampling_rate=0.5", ["scheduled sampling"]),
    ],
)
def test_what_runs_on_magentas_layers_says_why(overrides, reasons):
    for name in NAMES:
        config = configs.with_hparams(configs.CONFIG_MAP[name], f"{SIZES},{overrides}".rstrip(","))
        with tf.Graph().as_default():
            config.model.build(config.hparams, config.data_converter.output_depth, is_training=True)
        assert config.model.fallback_reasons == reasons


def test_units_remember_up_to_as_many_steps_as_the_hparams_say():
    """A unit that gets no more inputs keeps 1 - 1/t of its state a step, and takes in 1/t of what comes."""
    hparams = configs.with_hparams(configs.CONFIG_MAP["groovae_4bar"], "chrono_steps=16").hparams
    with tf.Graph().as_default(), tf.Session() as session:
        cell = lstm_utils.rnn_cell([400], dropout_keep_prob=1.0, residual=False)
        ((_, bias),) = layers.variables_of(cell, 5, hparams=hparams)
        session.run(tf.global_variables_initializer())
        into, candidate, forget, out = np.split(session.run(bias), 4)
    steps = np.exp(forget + 1)  # The cell adds 1.
    assert 1 <= steps.min() < 2
    assert 14 < steps.max() <= 15
    assert steps.mean() == pytest.approx(8, abs=0.8)
    np.testing.assert_allclose(np.exp(-into), steps, rtol=1e-4)
    assert not candidate.any()
    assert not out.any()
