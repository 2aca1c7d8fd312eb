"""Trained models are found by name, without TensorFlow; a wrong name leads to the right one."""

import json
import subprocess
import sys

import pytest

from pipelines.runs import pretrained, run_folder


@pytest.fixture
def models(tmp_path, monkeypatch):
    """Two trained models, and a folder that is none."""
    monkeypatch.setattr(pretrained, "PRETRAINED_DIR", tmp_path / "pretrained")
    for name, config in (("tap", "groovae_4bar_tap"), ("groovae", "groovae_4bar")):
        folder = tmp_path / "pretrained" / name
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(json.dumps({"config": config}))
        (folder / f"{name}.tar").touch()
    (tmp_path / "pretrained" / "empty").mkdir()
    return tmp_path / "pretrained"


def test_models_are_found_by_name_and_config(models):
    assert pretrained.names() == ["groovae", "tap"]
    assert pretrained.locate("tap") == models / "tap"
    assert pretrained.of_config("groovae_4bar") == "groovae"
    assert pretrained.of_config("hier-drums_4bar") is None


def test_an_unknown_name_lists_the_others_nearest_first(models):
    with pytest.raises(ValueError, match=r"unknown --pretrained='tab'; known, nearest first: tap, groovae$"):
        pretrained.locate("tab")


def test_without_any_model_the_folder_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(pretrained, "PRETRAINED_DIR", tmp_path / "pretrained")
    with pytest.raises(FileNotFoundError, match=f"there are no trained models in {tmp_path}/pretrained; get them"):
        pretrained.locate("tap")


def test_one_model_is_chosen_in_one_way(models):
    assert pretrained.choose("a", None, None) == "a"
    assert pretrained.choose(None, "b.tar", None) is None
    assert pretrained.choose(None, None, "tap") == str(models / "tap")
    for given in ((None, None, None), ("a", None, "tap"), (None, "b.tar", "tap"), ("a", "b.tar", None)):
        with pytest.raises(ValueError, match="give one of --run_dir, --checkpoint_file and --pretrained"):
            pretrained.choose(*given)


def test_a_tar_and_its_folder_know_the_settings(models):
    assert pretrained.tar_of(models / "tap") == models / "tap" / "tap.tar"
    assert pretrained.tar_of(models) is None
    assert run_folder.of_checkpoint(models / "tap" / "tap.tar").config_name == "groovae_4bar_tap"


def test_no_tensorflow_is_needed():
    code = "import sys; from pipelines.runs import pretrained; print('tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "False\n", done.stderr
