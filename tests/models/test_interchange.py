"""Checkpoints go both ways: Magenta's `TrainedModel` loads ours, we load what Magenta's training wrote."""

import numpy as np
import pytest
from magenta.models.music_vae import configs as magenta_configs
from magenta.models.music_vae import lstm_models, trained_model
from magenta.models.music_vae.base_model import MusicVAE

import configs
from models.inference import TrainedModel
from models.magenta import tf
from pipelines import train
from pipelines.examples import loading
from pipelines.runs import resolution, trained
from pipelines.runs.run_folder import RunFolder
from tests.tiny import TINY_HPARAMS

NAMES = ("hier-drums_4bar_small", "groovae_4bar")


def upstream_config(name: str):
    """The entry as somebody with stock Magenta has it: Magenta's classes alone."""
    if name in magenta_configs.CONFIG_MAP:
        config = configs.CONFIG_MAP.data[name]
        model = magenta_configs.CONFIG_MAP[name].model
    else:
        config = configs.CONFIG_MAP.data[name]
        core = lstm_models.CategoricalLstmDecoder()
        decoder = lstm_models.HierarchicalLstmDecoder(core, level_lengths=[4, 16], disable_autoregression=True)
        model = MusicVAE(lstm_models.BidirectionalLstmEncoder(), decoder)
    return configs.with_hparams(config._replace(model=model), TINY_HPARAMS)


@pytest.mark.parametrize("name", NAMES)
def test_magentas_trained_model_loads_ours(tiny_runs, name):
    run_dir = tiny_runs[name]
    theirs = trained_model.TrainedModel(upstream_config(name), 4, str(RunFolder(run_dir).train_dir))
    ours = TrainedModel(resolution.resolve_config(RunFolder(run_dir), None, "")[1], RunFolder(run_dir).train_dir, 4)
    assert len(theirs.sample(4, length=64, temperature=0.5)) == 4
    depth = ours.config.data_converter.input_depth
    inputs = (np.random.default_rng(0).random([4, 64, depth]) < 0.2).astype(np.float32)
    _, mean, _ = theirs.encode_tensors(list(inputs), [64] * 4)
    np.testing.assert_allclose(ours.encode(inputs, np.full([4], 64), np.zeros([4, 64, 0])), mean, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_we_load_what_magenta_trained(tmp_path, starter_records, name, monkeypatch):
    from magenta.models.music_vae import music_vae_train

    config = upstream_config(name)
    examples = loading.load(configs.CONFIG_MAP[name], "train", str(starter_records / "train.tfrecord"))
    batch = examples.dense(np.arange(4))
    # Upstream's own reading of TFRecords crashes on this TensorFlow; the training is all its own.
    monkeypatch.setattr(music_vae_train, "_trial_summary", lambda *_: None)  # Needs examples_path in its config.
    music_vae_train.train(
        str(tmp_path / "train"), config, lambda: tf.data.Dataset.from_tensors(batch).repeat(), num_steps=2
    )
    theirs = trained_model.TrainedModel(upstream_config(name), 4, str(tmp_path / "train"))
    ours = TrainedModel(configs.with_hparams(configs.CONFIG_MAP[name], TINY_HPARAMS), tmp_path / "train", 4)
    _, mean, _ = theirs.encode_tensors(list(batch[0]), [64] * 4)
    np.testing.assert_allclose(ours.encode(batch[0], batch[3], batch[2]), mean, rtol=1e-4, atol=1e-6)

    # A run of stock Magenta has no config.json: the config is named, and training and evaluation go on from there.
    records = str(starter_records / "train.tfrecord")
    run = train.check_run(tmp_path, name, TINY_HPARAMS, records, None)
    assert train.train_run(run, 3, None) == 0
    assert trained.newest_checkpoint(RunFolder(tmp_path)).endswith("model.ckpt-3")
