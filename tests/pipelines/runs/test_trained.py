"""A trained model is found by its run or its checkpoint, with what lies beside it, and told from all others."""

from __future__ import annotations

import hashlib
import pathlib
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

from models import latents
from pipelines.runs import pretrained, trained
from pipelines.runs.run_folder import RunFolder

ROOT = pathlib.Path(__file__).resolve().parents[3]
GROOVAE = pretrained.PRETRAINED_DIR / "groovae"


@pytest.fixture
def run_dir(tiny_runs, tmp_path) -> pathlib.Path:
    """A run with a best checkpoint."""
    folder = pathlib.Path(shutil.copytree(tiny_runs["groovae_4bar"], tmp_path / "run"))
    shutil.copytree(folder / "train", folder / "best")
    return folder


def test_the_newest_checkpoint_of_a_run_counts(run_dir):
    assert trained.newest_checkpoint(RunFolder(run_dir)) == str(run_dir / "train" / "model.ckpt-2")
    best = trained.newest_checkpoint(RunFolder(run_dir), run_dir / "best")
    assert best == str(run_dir / "best" / "model.ckpt-2")
    for path in (run_dir / "train").glob("model.ckpt-2.*"):
        shutil.copy(path, path.with_name(path.name.replace("-2.", "-30.")))
    (run_dir / "train" / "checkpoint").unlink()
    assert trained.newest_checkpoint(RunFolder(run_dir)).endswith("model.ckpt-30")


def test_a_run_without_checkpoints_says_how_to_get_some(tmp_path):
    message = f"no checkpoint in {tmp_path}/train; train first: ./run_train.sh --run_dir={tmp_path}"
    with pytest.raises(FileNotFoundError, match=f"^{re.escape(message)}$"):
        trained.newest_checkpoint(RunFolder(tmp_path))


@pytest.mark.parametrize("part", ["", "train", "best"])
def test_a_run_is_located_by_its_folder_or_a_part_of_it(run_dir, part):
    run, checkpoint = trained.locate(str(run_dir / part), None)
    assert run.path == run_dir
    assert checkpoint == str(run_dir / (part or "train") / "model.ckpt-2")


def test_a_trained_model_is_its_tar():
    run, checkpoint = trained.locate(str(GROOVAE), None)
    assert (run.path, checkpoint) == (GROOVAE, str(GROOVAE / "groovae.tar"))


def test_a_checkpoint_comes_with_its_run_where_it_has_one(run_dir, tmp_path):
    prefix = str(run_dir / "train" / "model.ckpt-2")
    run, checkpoint = trained.locate(None, prefix)
    assert (run.path, checkpoint) == (run_dir, prefix)
    alone = str(shutil.copy(GROOVAE / "groovae.tar", tmp_path))
    assert trained.locate(None, alone) == (None, alone)


@pytest.mark.parametrize("given", [(None, None), ("a", "b")])
def test_a_model_is_named_once(given):
    with pytest.raises(ValueError, match=r"^give one of --run_dir and --checkpoint_file: where is the trained model"):
        trained.locate(*given)


def test_the_config_is_the_runs_or_the_one_that_is_asked_for(run_dir):
    run = RunFolder(run_dir)
    assert trained.config_name(run, None) == trained.config_name(run, "groovae_4bar") == "groovae_4bar"
    assert trained.config_name(None, "cat-drums_2bar_small") == "cat-drums_2bar_small"
    with pytest.raises(ValueError, match="run: this run was trained with --config=groovae_4bar, not groovae_4bar_tap;"):
        trained.config_name(run, "groovae_4bar_tap")
    for unknown in (None, RunFolder(run_dir / "train")):
        with pytest.raises(ValueError, match=r"^which config\? --config=NAME, for instance hier-drums_4bar_small or g"):
            trained.config_name(unknown, None)


def test_what_samples_are_drawn_from_is_the_mixture_beside_the_checkpoint():
    tar = str(GROOVAE / "groovae.tar")
    beside = latents.read(GROOVAE / "latents.npz", 256)
    for asked in (None, latents.MIXTURE):
        np.testing.assert_array_equal(trained.latents_of(tar, 256, asked).means, beside.means)
    assert trained.latents_of(tar, 256, latents.PRIOR) is None


def test_without_a_mixture_it_is_the_prior_unless_one_is_asked_for(tmp_path):
    tar = str(tmp_path / "model.tar")
    assert trained.latents_of(tar, 256, None) is None and trained.latents_of(tar, 256, latents.PRIOR) is None
    message = f"--latents=mixture: there is no {tmp_path}/latents.npz; python -m pipelines.export --examples_path=… mak"
    with pytest.raises(FileNotFoundError, match=f"^{re.escape(message)}"):
        trained.latents_of(tar, 256, latents.MIXTURE)


def test_a_mixture_that_is_damaged_or_another_models_is_said_unless_the_prior_is_asked_for(tmp_path):
    (tmp_path / "latents.npz").write_bytes(b"no numbers")
    with pytest.raises(ValueError, match=r"latents.npz: damaged \(.*; --latents=prior does without it"):
        trained.latents_of(str(tmp_path / "model.tar"), 256, None)
    assert trained.latents_of(str(tmp_path / "model.tar"), 256, latents.PRIOR) is None
    shutil.copy(GROOVAE / "latents.npz", tmp_path)
    with pytest.raises(ValueError, match=r"latents.npz: of latent vectors of 256 numbers, not 8; it is anot"):
        trained.latents_of(str(tmp_path / "model.tar"), 8, None)


def test_what_belongs_to_a_checkpoint_lies_in_its_folder(tmp_path, monkeypatch):
    assert trained.folder_of(str(tmp_path)) == tmp_path
    assert trained.folder_of(str(tmp_path / "model.ckpt-2")) == tmp_path
    monkeypatch.setenv("HOME", str(tmp_path))
    assert trained.folder_of("~/models/a.tar") == tmp_path / "models"


def test_a_tars_checksum_is_that_of_its_bytes():
    tar = GROOVAE / "groovae.tar"
    expected = hashlib.sha256(tar.read_bytes()).hexdigest()
    assert trained.checksum(str(tar)) == trained.file_checksum(tar) == expected


@pytest.mark.parametrize("given", ["train", "train/model.ckpt-2", "train/model.ckpt-2.index", "."])
def test_a_checkpoints_checksum_is_that_of_its_files_however_it_is_named(run_dir, given):
    whole = trained.checksum(str(run_dir / "train" / "model.ckpt-2"))
    assert trained.checksum(str(run_dir / given)) == whole
    (data,) = (run_dir / "train").glob("model.ckpt-2.data-*")
    content = bytearray(data.read_bytes())
    content[-1] ^= 1
    data.write_bytes(content)
    assert trained.checksum(str(run_dir / "train" / "model.ckpt-2")) != whole


def test_a_checksum_of_nothing_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such checkpoint"):
        trained.checksum(str(tmp_path / "model.ckpt-9"))


def test_a_model_is_found_without_tensorflow():
    program = (
        "import sys; from pipelines.runs import trained;"
        " trained.checksum(trained.locate('pretrained/groovae', None)[1]);"
        " trained.latents_of('pretrained/groovae/groovae.tar', 256, None);"
        " print([name for name in ('tensorflow', 'magenta', 'note_seq') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")
