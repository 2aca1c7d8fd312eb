"""The trained models of the clone: small, readable by Magenta, and as good as their cards say."""

from __future__ import annotations

import copy
import re

import numpy as np
import pytest
from magenta.models.music_vae import lstm_models, trained_model
from magenta.models.music_vae.base_model import MusicVAE

import configs
from models import checkpoints
from pipelines.dataset import conversion
from pipelines.evaluation import evaluator
from pipelines.examples import loading
from pipelines.runs import pretrained, resolution

NAMES = pretrained.names()
MAX_BYTES = 40e6  # Of all of them together.
TOLD = ("teacher_forced_accuracy", "sampled_accuracy_mean", "hit_f1", "timing_mae_ms")


def magentas(config: configs.Config) -> configs.Config:
    """Returns a config of the same sizes, made of Magenta's own encoder and decoder."""
    own, stock = config.model, [lstm_models.BidirectionalLstmEncoder(), lstm_models.GrooveLstmDecoder()]
    if isinstance(own.encoder, lstm_models.HierarchicalLstmEncoder):
        levels = own.encoder.level_lengths
        stock[0] = lstm_models.HierarchicalLstmEncoder(lstm_models.BidirectionalLstmEncoder, levels)
    if isinstance(own.decoder, lstm_models.HierarchicalLstmDecoder):
        levels = own.decoder._level_lengths
        core = stock[1] if config.data_converter.output_depth == 27 else lstm_models.CategoricalLstmDecoder()
        stock[1] = lstm_models.HierarchicalLstmDecoder(core, levels, disable_autoregression=True)
    return config._replace(model=MusicVAE(*stock))


def test_there_is_one_that_run_generate_plays_and_they_are_small():
    assert "hier-drums" in NAMES
    assert sum(path.stat().st_size for path in pretrained.PRETRAINED_DIR.rglob("*") if path.is_file()) <= MAX_BYTES


@pytest.mark.parametrize("name", NAMES)
def test_magentas_trained_model_loads_it_and_decodes_the_same(name):
    folder = pretrained.locate(name)
    _, config, tar = resolution.resolve_model(str(folder), None, None, "")
    theirs = trained_model.TrainedModel(magentas(copy.deepcopy(config)), 2, str(tar))
    samples = theirs.sample(n=2, length=config.hparams.max_seq_len, temperature=0.5)
    assert all(0 < len(sample.notes) < 64 * 9 for sample in samples)
    z, mean, _ = theirs.encode(samples)
    assert np.isfinite(z).all()
    assert mean.shape == (2, config.hparams.z_size)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [name if name == "humanize" else pytest.param(name, marks=pytest.mark.thorough) for name in NAMES]
)
def test_it_is_as_good_as_its_card_says(name, groove_zip, tmp_path):
    conversion.convert(str(groove_zip), tmp_path)
    _, config, tar = resolution.resolve_model(str(pretrained.locate(name)), None, None, "")
    examples = loading.load(config, "validation", str(tmp_path / "validation.tfrecord"))
    with checkpoints.unpacked(tar) as prefix:
        found = evaluator.evaluate(config, examples, prefix)
    card = (pretrained.locate(name) / pretrained.CARD_NAME).read_text(encoding="utf-8")
    for metric in TOLD:
        if metric in found:
            told = re.search(rf"^\| `{metric}` \| ([0-9.]+) \|", card, re.MULTILINE)
            assert float(told[1]) == pytest.approx(found[metric], rel=0.003), metric
