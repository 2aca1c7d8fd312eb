"""The best checkpoint is kept whole, and the old one until the new one is there."""

import contextlib
import json
import os

import pytest

from models import checkpoint_files
from pipelines.runs import best


def write_checkpoint(folder, step):
    folder.mkdir(exist_ok=True)
    for ending in ("data-00000-of-00001", "index"):
        (folder / f"model.ckpt-{step}.{ending}").write_text(f"{ending} of {step}")
    return str(folder / f"model.ckpt-{step}")


@pytest.fixture
def run_dir(tmp_path):
    """A run with the checkpoints 10 and 20, of which 10 is kept as the best."""
    write_checkpoint(tmp_path / "train", 10)
    write_checkpoint(tmp_path / "train", 20)
    best.keep(tmp_path, str(tmp_path / "train" / "model.ckpt-10"), {"step": 10, "loss": 2.0})
    return tmp_path


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_best_takes_the_place_of_the_one_before(run_dir):
    row = {"step": 20, "loss": 1.0}
    assert not best.holds(run_dir, row)
    best.keep(run_dir, str(run_dir / "train" / "model.ckpt-20"), row)
    assert best.holds(run_dir, row)
    assert names(run_dir / "best") == [
        "checkpoint",
        "metrics.json",
        "model.ckpt-20.data-00000-of-00001",
        "model.ckpt-20.index",
    ]
    assert json.loads((run_dir / "best" / "metrics.json").read_text()) == {"checkpoint": "model.ckpt-20", **row}
    assert checkpoint_files.newest_first(run_dir / "best") == [str(run_dir / "best" / "model.ckpt-20")]


def test_it_stays_when_training_deletes_its_own(run_dir):
    for path in (run_dir / "train").iterdir():
        path.unlink()
    assert (run_dir / "best" / "model.ckpt-10.index").read_text() == "index of 10"


def test_without_links_it_is_a_copy(run_dir, monkeypatch):
    def no_links(*_):
        raise PermissionError(1, "no links here")

    monkeypatch.setattr(os, "link", no_links)
    best.keep(run_dir, str(run_dir / "train" / "model.ckpt-20"), {"step": 20})
    assert (run_dir / "best" / "model.ckpt-20.index").read_text() == "index of 20"


@pytest.mark.parametrize("moment", range(1, 9))
def test_whenever_it_is_cut_off_the_old_one_or_the_new_one_is_there(run_dir, monkeypatch, moment):
    """Each change of a folder is counted; at one of them the process is cut off."""
    changes = 0

    def counted(change):
        def wrapper(*args, **kwargs):
            nonlocal changes
            changes += 1
            if changes >= moment:
                raise KeyboardInterrupt
            return change(*args, **kwargs)

        return wrapper

    monkeypatch.setattr(os, "link", counted(os.link))
    for name in ("replace", "unlink"):
        monkeypatch.setattr(best.pathlib.Path, name, counted(getattr(best.pathlib.Path, name)))
    new = {"step": 20, "loss": 1.0}
    with contextlib.suppress(KeyboardInterrupt):
        best.keep(run_dir, str(run_dir / "train" / "model.ckpt-20"), new)
    monkeypatch.undo()
    first = checkpoint_files.newest_first(run_dir / "best")[0]
    assert first in [str(run_dir / "best" / f"model.ckpt-{step}") for step in (10, 20)]
    best.keep(run_dir, str(run_dir / "train" / "model.ckpt-20"), new)  # As the next start does.
    assert best.holds(run_dir, new)
