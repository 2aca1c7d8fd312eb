"""The registry: what its entries say, that they build, and that nothing done to one is seen by the next."""

import contextlib

import numpy as np
import pytest
from magenta.models.music_vae import configs as magenta_configs
from magenta.models.music_vae import data, lstm_models

import configs
from models import own_hparams
from models.magenta import tf

OWN = (
    *("hier-drums_4bar_small", "hier-drums_4bar", "hier-drums_4bar_groove", "hier-drums_4bar_groove_hikl"),
    *("groovae_4bar", "groovae_4bar_humanize", "groovae_4bar_tap"),
    *("groovae_4bar_groove", "groovae_4bar_humanize_groove", "groovae_4bar_tap_groove"),
)


def test_small_hier_drums_has_the_hparams_it_is_known_by():
    config = configs.CONFIG_MAP["hier-drums_4bar_small"]
    expected = lstm_models.get_default_hparams().values() | {
        "batch_size": 512,
        "max_seq_len": 64,
        "z_size": 256,
        "enc_rnn_size": [512],
        "dec_rnn_size": [256, 256],
        "free_bits": 48,
        "max_beta": 0.2,
    }
    assert config.hparams.values() == expected | own_hparams.DEFAULTS
    decoder = config.model.decoder
    assert isinstance(decoder, lstm_models.HierarchicalLstmDecoder)
    assert decoder._level_lengths == [4, 16]
    assert decoder._disable_autoregression == [0, 1]
    assert decoder._hierarchical_encoder is None


def test_hier_drums_has_twice_the_units():
    hparams = configs.CONFIG_MAP["hier-drums_4bar"].hparams
    assert (hparams.enc_rnn_size, hparams.dec_rnn_size, hparams.z_size) == ([1024], [512, 512], 512)


@pytest.mark.parametrize("name", ["groovae_4bar", "groovae_4bar_humanize", "groovae_4bar_tap"])
def test_groovae_has_upstreams_hparams(name):
    upstream = magenta_configs.CONFIG_MAP["groovae_4bar"]
    config = configs.CONFIG_MAP[name]
    assert config.hparams.values() == upstream.hparams.values() | own_hparams.DEFAULTS
    assert config.tfds_name == upstream.tfds_name
    assert isinstance(config.model.decoder, lstm_models.GrooveLstmDecoder)


@pytest.mark.parametrize("end", ["", "_groove"])
def test_humanize_and_tap_hide_what_they_are_named_for(end):
    assert configs.CONFIG_MAP[f"groovae_4bar_humanize{end}"].data_converter._humanize
    assert configs.CONFIG_MAP[f"groovae_4bar_tap{end}"].data_converter._tapify


@pytest.mark.parametrize("name", [name for name in OWN if "_groove" in name])
def test_those_made_for_groove_read_and_write_bar_by_bar_and_learn_from_windows_of_each_bar(name):
    config = configs.CONFIG_MAP[name]
    assert config.model.encoder.level_lengths == [16, 4]
    assert config.model.decoder._level_lengths == [4, 16]
    converter = config.data_converter
    assert (converter.stride_bars if name.startswith("hier") else converter._hop_size / converter._steps_per_bar) == 1


@pytest.mark.parametrize("name", OWN)
def test_drum_classes_are_those_of_the_kit_that_groove_was_played_on(name):
    converter = configs.CONFIG_MAP[name].data_converter
    assert converter._pitch_classes == data.ROLAND_DRUM_PITCH_CLASSES


def test_all_of_upstreams_configs_are_reachable():
    assert set(magenta_configs.CONFIG_MAP) < set(configs.CONFIG_MAP)


def test_every_look_up_is_fresh():
    first, second = (configs.CONFIG_MAP["groovae_4bar"] for _ in range(2))
    first.hparams.batch_size = 3
    first.data_converter.set_mode("train")
    assert second.hparams.batch_size == 512
    assert first.model is not second.model
    assert not second.data_converter.is_training


def test_overrides_do_not_reach_the_registry():
    config = configs.CONFIG_MAP["hier-drums_4bar_small"]
    changed = configs.with_hparams(config, "batch_size=7,enc_rnn_size=[8]")
    assert (changed.hparams.batch_size, changed.hparams.enc_rnn_size) == (7, [8])
    assert config.hparams.batch_size == 512
    assert configs.CONFIG_MAP["hier-drums_4bar_small"].hparams.batch_size == 512


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ("word_dropout=1.5", r"word_dropout is 1.5; it is at least 0 and at most 1$"),
        ("augment_voices=-0.1", r"augment_voices is -0.1; it is at least 0 and at most 1$"),
        ("ema_decay=2", r"ema_decay is 2.0; it is at least 0 and at most 1$"),
        ("weight_decay=-1", r"weight_decay is -1.0; it is at least 0$"),
        ("warmup_steps=-1", r"warmup_steps is -1; it is at least 0$"),
        ("windows_per_performance=-1", r"windows_per_performance is -1; it is at least 0$"),
        ("groove_error=cubed", r"groove_error is 'cubed'; accepted: squared, absolute$"),
        ("groove_silent_weight=-1", r"groove_silent_weight is -1.0; it is at least 0$"),
        ("sigma_bias=-1", None),
    ],
)
def test_hparams_of_the_project_stay_in_their_range(overrides, message):
    with pytest.raises(ValueError, match=message) if message else contextlib.nullcontext():
        configs.with_hparams(configs.CONFIG_MAP["groovae_4bar"], overrides)


@pytest.mark.parametrize("overrides", ["batch_sise=7", "batch_size=many", "batch_size"])
def test_wrong_overrides_are_named(overrides):
    with pytest.raises(ValueError, match=r"known hparams: augment_bars, augment_.*batch_size, beta_rate"):
        configs.with_hparams(configs.CONFIG_MAP["groovae_4bar"], overrides)


def test_a_batch_has_at_least_one_example():
    with pytest.raises(ValueError, match="batch_size is 0; it is at least 1"):
        configs.with_hparams(configs.CONFIG_MAP["groovae_4bar"], "batch_size=0")


def test_unknown_config_lists_the_nearest_first():
    with pytest.raises(ValueError, match="unknown config 'hier-drum_4bar'; known, nearest first: hier-drums_4bar, "):
        configs.CONFIG_MAP["hier-drum_4bar"]


def test_a_config_of_ones_own_can_be_registered():
    registry = configs.ConfigMap(configs.CONFIG_MAP.data)
    registry["mine"] = configs.CONFIG_MAP["groovae_4bar"]
    assert registry["mine"].hparams.z_size == 256


@pytest.mark.parametrize("name", OWN)
def test_every_config_builds_and_its_depths_match(name):
    config = configs.with_hparams(configs.CONFIG_MAP[name], "batch_size=2,enc_rnn_size=[6],dec_rnn_size=[4,4],z_size=3")
    converter = config.data_converter
    with tf.Graph().as_default(), tf.Session() as session:
        config.model.build(config.hparams, converter.output_depth, is_training=True)
        config.model.train(
            tf.zeros([2, 64, converter.input_depth]), tf.zeros([2, 64, converter.output_depth]), tf.fill([2], 64)
        )
        with tf.variable_scope(tf.get_variable_scope(), reuse=tf.AUTO_REUSE):
            samples, _ = config.model.sample(2, 64, tf.zeros([2, 3]), temperature=1.0)
        session.run(tf.global_variables_initializer())
        loss, drawn = session.run([config.model.loss, samples])
    assert np.isfinite(loss)
    assert drawn.shape == (2, 64, converter.output_depth)
    assert len(converter.from_tensors(drawn)) == 2
