"""Checkpoints are refused with a sentence where they do not fit a model, and restored where they do."""

import pathlib
import shutil

import pytest

from models import checkpoints, restoring
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


def variables(shape):
    with tf.Graph().as_default():
        return [tf.get_variable("v", shape)]


def test_a_folder_may_be_called_like_a_pattern(folder, tmp_path_factory):
    """TensorFlow finds nothing where a path has brackets, as in a sweep's `dec_rnn_size=[256,256]`."""
    odd = tmp_path_factory.mktemp("x") / "units=[2] *?"
    shutil.copytree(folder, odd)
    newest = checkpoints.newest(odd)
    assert newest == str(odd / "model.ckpt-20")
    with tf.Graph().as_default(), tf.Session() as session:
        variable = tf.get_variable("v", [2])
        restoring.restore(session, newest)
        first = session.run(variable)
        restoring.restore(session, str(folder / "model.ckpt-20"))
        assert list(session.run(variable)) == list(first)


def test_check_names_what_differs(folder):
    with pytest.raises(ValueError, match=r"v is \[2\], not \[3\];\n  give the --config"):
        restoring.check(str(folder / "model.ckpt-20"), variables([3]))


def test_a_damaged_checkpoint_is_called_that(folder):
    (folder / "model.ckpt-20.index").write_bytes(b"no index")
    with pytest.raises(ValueError, match="it is damaged"):
        restoring.check(str(folder / "model.ckpt-20"), variables([2]))


def test_variables_that_training_averaged_get_their_averages(tmp_path):
    with tf.Graph().as_default(), tf.Session() as session:
        for name, value in (("v", 1.0), (f"v/{checkpoints.AVERAGE}", 2.0), ("w", 3.0)):
            tf.get_variable(name, initializer=value)
        session.run(tf.global_variables_initializer())
        path = tf.train.Saver().save(session, str(tmp_path / "model.ckpt"))
    with tf.Graph().as_default(), tf.Session() as session:
        v, w = tf.get_variable("v", []), tf.get_variable("w", [])
        saver = restoring.restore(session, path)
        assert session.run([v, w]) == [2, 3]
        assert restoring.restore(session, path, saver) is saver
