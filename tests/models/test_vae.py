"""Our model beside stock Magenta's: the same variables, batch and random numbers give the same loss and gradients."""

from __future__ import annotations

import numpy as np
import pytest

import configs
from models.vae import MusicVAE
from tests.beside_magenta import BATCH, NAMES, SIZES, WITHOUT_DROPOUT, check, compute, is_drums, same_noise


@pytest.mark.parametrize("name", NAMES)
def test_loss_gradients_metrics_and_samples_are_magentas(name, monkeypatch):
    with same_noise(monkeypatch):
        check(name, f"{SIZES},{WITHOUT_DROPOUT}", as_tokens=is_drums(name))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_at_the_sizes_of_the_configs(name, monkeypatch):
    with same_noise(monkeypatch, configs.CONFIG_MAP[name].hparams.z_size):
        check(name, f"batch_size={BATCH},{WITHOUT_DROPOUT}", as_tokens=is_drums(name))


@pytest.mark.parametrize("name", ["hier-drums_4bar_small", "groovae_4bar"])
@pytest.mark.parametrize("kl", ["free_bits=1,max_beta=0.9,beta_rate=0.95", "free_bits=4,max_beta=0.2,beta_rate=0.0"])
def test_with_kl_annealing_and_free_bits(name, kl, monkeypatch):
    with same_noise(monkeypatch):
        check(name, f"{SIZES},{WITHOUT_DROPOUT},{kl}")


@pytest.mark.parametrize("name", NAMES)
def test_bf16_computes_nearly_the_same(name, monkeypatch):
    monkeypatch.setattr(MusicVAE, "precision", "bf16")
    with same_noise(monkeypatch):
        theirs = compute(name, f"{SIZES},{WITHOUT_DROPOUT}", None, stock=True)
        ours = compute(name, f"{SIZES},{WITHOUT_DROPOUT}", theirs.values, stock=False)
    assert ours.loss == pytest.approx(theirs.loss, rel=0.01)
    assert ours.loss != theirs.loss
    for gradient_name, gradient in theirs.gradients.items():
        ours_of_it = ours.gradients[gradient_name]
        assert ours_of_it.dtype == np.float32
        if np.abs(gradient).max() > 0:
            alike = np.sum(gradient * ours_of_it) / np.linalg.norm(gradient) / np.linalg.norm(ours_of_it)
            assert alike > 0.99, gradient_name
