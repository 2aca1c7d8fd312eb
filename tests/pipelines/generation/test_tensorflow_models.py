"""Samples depend on the seed alone, and interpolation keeps its ends."""

import pathlib
import types

import numpy as np
import pytest

import configs
from pipelines.generation import tensorflow_inputs, tensorflow_models
from tests.tiny import model_of

STARTER_DIR = pathlib.Path(__file__).resolve().parents[3] / "data" / "starter"


@pytest.mark.parametrize(
    "make",
    [
        lambda model: tensorflow_models.sample(model, 2, 1.0),
        lambda model: tensorflow_models.interpolate(model, None, None, 2, 1.0),
    ],
)
def test_configs_that_decode_under_controls_are_refused(make):
    model = types.SimpleNamespace(config=configs.CONFIG_MAP["groovae_2bar_hits_control_tfds"])
    with pytest.raises(ValueError, match=r"^this config decodes under controls \(hits or chords\)"):
        make(model)


@pytest.mark.parametrize("name", ["hier-drums_4bar_small", "groovae_4bar"])
def test_interpolation_decodes_both_ends(tiny_runs, name):
    model = model_of(tiny_runs[name], 3)
    paths = sorted(STARTER_DIR.rglob("*.mid"))
    ends = [tensorflow_inputs.read_example(model.config, str(path), None) for path in (paths[0], paths[-1])]
    means = model.encode(
        np.stack([end.inputs[0] for end in ends]), np.array([64, 64]), np.zeros([2, 64, 0], np.float32)
    )
    decoded = []
    model.decode = lambda z, temperature: (
        decoded.append(z) or np.zeros([len(z), 64, model.config.data_converter.output_depth])
    )
    assert len(tensorflow_models.interpolate(model, *ends, n=5, temperature=1.0)) == 5
    np.testing.assert_allclose(decoded[0][[0, -1]], means, rtol=1e-5, atol=1e-6)
    assert not np.allclose(means[0], means[1])
