"""A run's folder tells what it is, without TensorFlow, from whichever of its parts."""

import json
import pathlib
import subprocess
import sys

import pytest

from models import checkpoint_files
from pipelines.runs import run_folder
from pipelines.runs.run_folder import RunFolder


@pytest.fixture
def run(tmp_path: pathlib.Path) -> RunFolder:
    """A run of groovae_4bar with checkpoints of steps 2 and 10, of which step 2 is the best."""
    run = RunFolder(tmp_path / "groovae")
    run.write_settings({"config": "groovae_4bar", "hparams": {"z_size": 4}})
    for folder, steps in ((run.train_dir, (2, 10)), (run.best_dir, (2,))):
        folder.mkdir()
        for step in steps:
            for ending in ("index", "data-00000-of-00001"):
                (folder / f"model.ckpt-{step}.{ending}").touch()
        checkpoint_files.write_index(folder, f"model.ckpt-{steps[-1]}")
    return run


def test_settings_come_back_with_versions(run):
    settings = run.settings()
    assert (settings["config"], settings["hparams"]) == ("groovae_4bar", {"z_size": 4})
    assert {"python", "tensorflow", "magenta"} <= settings["versions"].keys()
    assert run.config_name == "groovae_4bar"


def test_the_step_is_the_newest_checkpoints(run):
    assert run.step == 10
    (run.train_dir / "model.ckpt-10.data-00000-of-00001").unlink()
    assert run.step == 2


def test_a_new_folder_has_no_settings_and_no_step(tmp_path):
    run = RunFolder(tmp_path / "new")
    assert (run.settings(), run.config_name, run.step) == ({}, None, 0)


@pytest.mark.parametrize(
    ("text", "message"), [("{", "damaged"), ("[]", "not written by training"), ('{"a": 1}', "not written by training")]
)
def test_damaged_settings_are_named(run, text, message):
    (run.path / run_folder.SETTINGS_NAME).write_text(text)
    with pytest.raises(ValueError, match=f"config.json: {message}"):
        run.settings()
    assert run.config_name is None


@pytest.mark.parametrize(("part", "folder"), [("", "train"), ("train", "train"), ("best", "best")])
def test_a_run_is_located_by_its_parts(run, part, folder):
    assert run_folder.locate(run.path / part) == (run, run.path / folder)


def test_a_run_may_be_called_best(tmp_path):
    assert run_folder.locate(tmp_path / "best") == (RunFolder(tmp_path / "best"), tmp_path / "best" / "train")


@pytest.mark.parametrize(
    "part",
    ["", "train", "best", "train/model.ckpt-2", "best/model.ckpt-2.index", "train/model.ckpt-10.data-00000-of-00001"],
)
def test_a_checkpoint_knows_its_run(run, part):
    assert run_folder.of_checkpoint(run.path / part) == run


def test_a_checkpoint_of_magentas_belongs_to_no_run(tmp_path):
    (tmp_path / "train").mkdir()
    for part in ("model.ckpt-2", "train/model.ckpt-2", "groovae_4bar.tar"):
        assert run_folder.of_checkpoint(tmp_path / part) is None


def test_sweeping_takes_halves_in_all_folders(run):
    for folder in (run.path, run.train_dir, run.best_dir):
        (folder / ".curves.0123.partial.png").touch()
    run.sweep()
    assert not list(run.path.rglob("*.partial*"))
    assert run.step == 10


def test_a_run_is_read_without_tensorflow(run):
    code = f"""
import pathlib, sys
from pipelines.runs import run_folder
run = run_folder.of_checkpoint({str(run.best_dir)!r})
print(run.config_name, run.step, "tensorflow" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "groovae_4bar 10 False\n", done.stderr


def test_the_commit_is_read_without_git(tmp_path):
    (tmp_path / "HEAD").write_text("ref: refs/heads/main\n")
    assert run_folder._commit(tmp_path) == {}
    (tmp_path / "refs" / "heads").mkdir(parents=True)
    (tmp_path / "refs" / "heads" / "main").write_text("a" * 40 + "\n")
    assert run_folder._commit(tmp_path) == {"commit": "a" * 40}
    assert json.dumps(run_folder._commit(tmp_path / "nowhere")) == "{}"
