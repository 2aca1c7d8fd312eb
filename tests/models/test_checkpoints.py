"""Checkpoints are found wherever they may lie, and refused with a sentence where they do not fit."""

import os
import pathlib
import shutil
import tarfile

import pytest

from models import checkpoint_files, checkpoints, tensor_bundle
from models.magenta import tf


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    """A folder with model.ckpt-1 and model.ckpt-20, of one variable `v` of shape [2]."""
    with tf.Graph().as_default(), tf.Session() as session:
        tf.get_variable("v", [2])
        session.run(tf.global_variables_initializer())
        for step in (1, 20):
            tf.train.Saver().save(session, str(tmp_path / "model.ckpt"), global_step=step)
    return tmp_path


def test_newest_follows_the_index_file(folder):
    assert checkpoints.newest(folder) == str(folder / "model.ckpt-20")
    assert checkpoint_files.step_of(checkpoints.newest(folder)) == 20


def test_newest_does_without_the_index_file(folder):
    (folder / "checkpoint").unlink()
    assert checkpoints.newest(folder) == str(folder / "model.ckpt-20")


def test_newest_passes_over_one_that_is_not_complete(folder):
    (folder / "model.ckpt-20.data-00000-of-00001").unlink()
    assert checkpoints.newest(folder) == str(folder / "model.ckpt-1")


@pytest.mark.parametrize("content", [b"", b"\x00\xff\x00", b'model_checkpoint_path: "model.ckpt-7"\n'])
def test_newest_survives_an_index_file_that_is_damaged_or_points_nowhere(folder, content):
    (folder / "checkpoint").write_bytes(content)
    assert checkpoints.newest(folder) == str(folder / "model.ckpt-20")


def test_newest_goes_back_where_the_index_file_says_so(folder):
    checkpoint_files.write_index(folder, "model.ckpt-1")
    assert checkpoints.newest(folder) == str(folder / "model.ckpt-1")
    assert tf.train.latest_checkpoint(str(folder)) == str(folder / "model.ckpt-1")


def test_newest_is_what_was_written_after_the_index_file(folder):
    """As when the process was killed between the two."""
    checkpoint_files.write_index(folder, "model.ckpt-1")
    os.utime(folder / "model.ckpt-20.index", ns=(2**62, 2**62))
    assert checkpoints.newest(folder) == str(folder / "model.ckpt-20")


def test_newest_stays_in_a_folder_that_was_copied(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "copy")
    (tmp_path / "copy" / "checkpoint").write_text(f'model_checkpoint_path: "{folder / "model.ckpt-20"}"\n')
    assert checkpoints.newest(tmp_path / "copy") == str(tmp_path / "copy" / "model.ckpt-20")


@pytest.mark.parametrize(
    ("ending", "damage"),
    [
        ("data-00000-of-00001", lambda content: content[:-1]),
        ("data-00000-of-00001", lambda content: b"\xff" + content[1:]),
        ("index", lambda content: content[: len(content) // 2]),
        ("index", lambda content: b""),
    ],
)
def test_newest_passes_over_one_that_cannot_be_read_and_says_so(folder, capsys, ending, damage):
    path = folder / f"model.ckpt-20.{ending}"
    path.write_bytes(damage(path.read_bytes()))
    assert checkpoints.newest(folder) == str(folder / "model.ckpt-1")
    err = capsys.readouterr().err
    assert err.startswith(f"{folder / 'model.ckpt-20'}: cannot be read (")
    assert err.endswith("; going back to model.ckpt-1\n")
    (folder / "model.ckpt-1.index").unlink()
    with pytest.raises(ValueError, match=r"none of its 1 checkpoints can be read \(model.ckpt-20: "):
        checkpoints.newest(folder)


def test_nothing_is_newest_in_an_empty_folder(tmp_path):
    assert checkpoints.newest(tmp_path) is None


@pytest.mark.parametrize("given", ["", "model.ckpt-20", "model.ckpt-20.index", "model.ckpt-20.data-00000-of-00001"])
def test_unpacked_takes_folder_prefix_and_file(folder, given):
    with checkpoints.unpacked(folder / given) as path:
        assert path == str(folder / "model.ckpt-20")


def test_unpacked_takes_a_tar(folder):
    tar = folder / "published.tar"
    with tarfile.open(tar, "w") as archive:
        for file in sorted(folder.glob("model.ckpt-20.*")):
            archive.add(file, file.name)
    with checkpoints.unpacked(tar) as path:
        assert list(tensor_bundle.read(path)) == ["v"]


def test_unpacked_says_what_it_cannot_find(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such checkpoint"), checkpoints.unpacked(tmp_path / "model.ckpt-9"):
        pass
    with pytest.raises(FileNotFoundError, match="no checkpoint in this folder"), checkpoints.unpacked(tmp_path):
        pass
    with tarfile.open(tmp_path / "empty.tar", "w"):
        pass
    with pytest.raises(ValueError, match="no checkpoint in it"), checkpoints.unpacked(tmp_path / "empty.tar"):
        pass
