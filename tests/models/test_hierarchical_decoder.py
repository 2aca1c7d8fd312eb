"""Our hierarchical decoder beside Magenta's, with either core: the same losses, outputs and gradients."""

import numpy as np
import pytest

from tests.beside_magenta import SIZES
from tests.models.test_decoders import run, upstream_model

# The configs made for Groove, without what they change in training.
AS_UPSTREAM = "encoder_keep_prob=0,decoder_keep_prob=0,groove_error=squared,groove_silent_weight=1"
OVERRIDES = {"hier-drums_4bar_small": SIZES, "groovae_4bar_groove": f"{SIZES},{AS_UPSTREAM}"}


@pytest.mark.parametrize("name", OVERRIDES)
def test_losses_and_gradients_are_upstreams(name):
    values, loss, gradients, outputs = run(name, OVERRIDES[name], upstream_model(name), None)
    same_values, our_loss, our_gradients, our_outputs = run(name, OVERRIDES[name], None, values)
    assert same_values.keys() == values.keys()  # The names under which a checkpoint keeps them.
    np.testing.assert_allclose(our_loss, loss, rtol=1e-5)
    np.testing.assert_allclose(our_outputs, outputs, rtol=1e-4, atol=1e-6)
    for ours, theirs in zip(our_gradients, gradients, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)


def test_the_conductors_dropout_is_off_outside_of_training():
    name, overrides = "hier-drums_4bar_small", f"{SIZES},dropout_keep_prob=0.3"
    values, loss, *_ = run(name, SIZES, None, None, is_training=False)
    np.testing.assert_allclose(run(name, overrides, None, values, is_training=False)[1], loss, rtol=1e-6)
    assert np.abs(run(name, overrides, None, values)[1] - loss).min() > 0.01
