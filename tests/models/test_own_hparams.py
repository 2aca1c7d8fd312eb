"""The project's hparams: there in its configs with their defaults, and read as these where a config lacks them."""

from __future__ import annotations

import pytest

import configs
from models import own_hparams


@pytest.mark.parametrize("name", ["hier-drums_4bar_small", "hier-drums_4bar", "groovae_4bar_tap"])
def test_the_configs_that_are_magentas_have_the_defaults(name):
    hparams = configs.CONFIG_MAP[name].hparams
    assert {key: hparams.get(key) for key in own_hparams.DEFAULTS} == own_hparams.DEFAULTS


def test_configs_of_magenta_are_read_with_the_defaults():
    hparams = configs.CONFIG_MAP["cat-drums_2bar_small"].hparams
    assert all(own_hparams.value(hparams, name) == default for name, default in own_hparams.DEFAULTS.items())
    assert own_hparams.keep_prob(hparams, "encoder") == hparams.dropout_keep_prob == 1


def test_dropout_of_encoder_and_decoder_is_magentas_unless_it_is_set():
    hparams = configs.with_hparams(configs.CONFIG_MAP["groovae_4bar"], "encoder_keep_prob=0.9").hparams
    assert own_hparams.keep_prob(hparams, "encoder") == 0.9
    assert own_hparams.keep_prob(hparams, "decoder") == 0.3
