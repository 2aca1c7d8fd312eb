"""A trained model is loaded by whatever names it, with what lies beside it."""

from __future__ import annotations

import pathlib
import re
import shutil

import numpy as np
import pytest

from grooves.groove import Groove
from pipelines.generation import player
from pipelines.runs import pretrained
from tests import songs


@pytest.mark.parametrize(
    ("name", "config", "knows_feel", "has_mixture", "has_attributes"),
    [
        ("hier-drums", "hier-drums_4bar_groove_hikl", False, True, True),
        ("groovae", "groovae_4bar_groove", True, True, True),
        ("humanize", "groovae_4bar_humanize_groove", True, False, False),
        ("tap", "groovae_4bar_tap_groove", True, False, False),
    ],
)
def test_the_models_of_the_clone_play(trained_player, name, config, knows_feel, has_mixture, has_attributes):
    found = trained_player(name)
    assert (found.config, found.bars, found.kit) == (config, 4, "roland")
    assert found.model.knows_feel == knows_feel
    assert (found.mixture is not None) == has_mixture
    assert (found.attributes is not None) == has_attributes
    z = found.draw(3, np.random.default_rng(1))
    assert z.shape == (3, found.model.z_size) and z.dtype == np.float32
    np.testing.assert_array_equal(z, found.draw(3, np.random.default_rng(1)))
    played = Groove.split(songs.groove(1).join()[np.newaxis])
    assert found.means(played).shape == (1, found.model.z_size)


def test_the_prior_is_drawn_from_where_it_is_asked_for():
    found = player.load(str(pretrained.locate("groovae")), None, asked_latents="prior")
    expected = np.random.default_rng(1).standard_normal([2, 256], np.float32)
    np.testing.assert_array_equal(found.draw(2, np.random.default_rng(1)), expected)


def test_a_checkpoint_alone_is_loaded_with_its_config(tmp_path, trained_player):
    tar = shutil.copy(pretrained.PRETRAINED_DIR / "tap" / "tap.tar", tmp_path / "mine.tar")
    found = player.load(None, tar, "groovae_4bar_tap_groove")
    assert (found.config, found.checkpoint, found.mixture, found.model.sees) == (
        "groovae_4bar_tap_groove", tar, None, "taps"
    )  # fmt: skip
    played = Groove.split(songs.groove(1).join()[np.newaxis])
    np.testing.assert_array_equal(found.means(played), trained_player("tap").means(played))


@pytest.mark.parametrize(
    ("config", "hparams", "message"),
    [
        (
            "hier-drums_4bar_small",
            "",
            "of another config or other hparams: it reads 27 values a step and writes",
        ),
        ("groovae_4bar_tap", "", "of another config or other hparams: enc_rnn_size is [256], not [512];"),
        ("groovae_4bar_tap_groove", "z_size=128", "z_size is 256, not 128;\n  give the --config and --hparams"),
        ("groovae_4bar_tap_groove", "dec_rnn_size=[256]", "dec_rnn_size is [256, 256], not [256];"),
        ("groovae_4bar_tap_groove", "z_sise=128", "z_sise"),
        ("groovae", "", "nearest first"),
    ],
)
def test_another_config_or_size_is_said(tmp_path, config, hparams, message):
    alone = shutil.copy(pretrained.PRETRAINED_DIR / "tap" / "tap.tar", tmp_path / "mine.tar")
    with pytest.raises(ValueError, match=re.escape(message)):
        player.load(None, alone, config, hparams)


def test_another_config_than_the_folders_is_refused():
    tar = str(pretrained.PRETRAINED_DIR / "tap" / "tap.tar")
    with pytest.raises(ValueError, match="tap: this run was trained with --config=groovae_4bar_tap_groove, not g"):
        player.load(None, tar, "groovae_4bar")


def test_a_trained_run_plays_though_it_is_bare(tiny_runs):
    found = player.load(str(tiny_runs["groovae_4bar"]), None)
    assert (found.config, found.model.z_size, found.mixture, found.attributes) == ("groovae_4bar", 4, None, None)
    assert found.checkpoint.endswith("train/model.ckpt-2")


def test_what_only_tensorflow_computes_is_none(tmp_path):
    (tmp_path / "model.tar").touch()
    assert player.load(None, str(tmp_path / "model.tar"), "cat-mel_2bar_small") is None


def test_one_flag_names_a_model_in_three_ways(tmp_path, monkeypatch):
    assert player.find("groovae") == (str(pretrained.PRETRAINED_DIR / "groovae"), None)
    assert player.find(str(tmp_path)) == (str(tmp_path), None)
    (tmp_path / "model.ckpt-2.index").touch()
    (tmp_path / "my.tar").touch()
    for path in (tmp_path / "model.ckpt-2", tmp_path / "my.tar"):
        assert player.find(str(path)) == (None, str(path))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert player.find("~/my.tar") == (None, "~/my.tar")
    with pytest.raises(ValueError, match=r"^unknown --pretrained='groove'; known, nearest first: groovae"):
        player.find("groove")


def test_a_folder_of_ones_own_is_loaded_from_anywhere(tmp_path, monkeypatch):
    shutil.copytree(pretrained.PRETRAINED_DIR / "tap", tmp_path / "mine" / "tap")
    monkeypatch.chdir(tmp_path)
    found = player.load("mine/tap", None)
    assert pathlib.Path(found.checkpoint).resolve() == tmp_path / "mine" / "tap" / "tap.tar"
