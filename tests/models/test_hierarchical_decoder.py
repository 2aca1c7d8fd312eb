"""Our hierarchical decoder beside Magenta's, with either core: the same losses, outputs and gradients."""

import numpy as np
import pytest
from magenta.models.music_vae import lstm_models

from models.hierarchical_decoder import core_decoders
from tests.beside_magenta import SIZES
from tests.models.test_decoders import check_like_upstream, run, upstream_model

# The configs made for Groove, without what they change in training.
AS_UPSTREAM = "encoder_keep_prob=0,decoder_keep_prob=0,groove_error=squared,groove_silent_weight=1"
OVERRIDES = {"hier-drums_4bar_small": SIZES, "groovae_4bar_groove": f"{SIZES},{AS_UPSTREAM}"}


@pytest.mark.parametrize("name", OVERRIDES)
def test_losses_and_gradients_are_upstreams(name):
    check_like_upstream(name, OVERRIDES[name])


@pytest.mark.thorough
def test_the_conductors_dropout_is_off_outside_of_training():
    name, overrides = "hier-drums_4bar_small", f"{SIZES},dropout_keep_prob=0.3"
    values, loss, *_ = run(name, SIZES, None, None, is_training=False)
    np.testing.assert_allclose(run(name, overrides, None, values, is_training=False)[1], loss, rtol=1e-6)
    assert np.abs(run(name, overrides, None, values)[1] - loss).min() > 0.01


def test_core_decoders_are_found_inside_of_whatever_conducts_them():
    nested = upstream_model("hier-drums_4bar_small").decoder
    assert [type(core) for core in core_decoders(nested)] == [lstm_models.CategoricalLstmDecoder]
