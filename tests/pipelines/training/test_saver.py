"""Checkpoints while training: whole, of numbers alone, and the last good one stays."""

import contextlib
import pathlib

import numpy as np
import pytest

from models import checkpoint_files, checkpoints
from models.magenta import tf
from pipelines.training import options, saver
from tests import disks


@contextlib.contextmanager
def writing(train_dir, size=2, checkpoint=None, **chosen):
    """Yields a writer, a session and the variable `v` [size] that they are for."""
    with tf.Graph().as_default():
        v = tf.get_variable("v", [size], initializer=tf.zeros_initializer())
        tf.train.create_global_step()
        writer = saver.CheckpointWriter(train_dir, options.Saving(**chosen))
        writer.check(checkpoint)
        scaffold = tf.train.Scaffold(
            saver=writer.saver, init_fn=lambda _, s: checkpoint and writer.restore(s, checkpoint)
        )
        with tf.train.MonitoredSession(tf.train.ChiefSessionCreator(scaffold)) as session:
            yield writer, session, v


def names(folder: pathlib.Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def set_to(session, v, value):
    session.run_step_fn(lambda step_context: v.load(np.full(v.shape, value, np.float32), step_context.session))


def test_a_checkpoint_is_two_files_and_its_step_is_not_written_twice(tmp_path):
    with writing(tmp_path) as (writer, session, _):
        assert writer.save(session, 3) == str(tmp_path / "model.ckpt-3")
        before = (tmp_path / "model.ckpt-3.index").stat().st_ino
        assert writer.save(session, 3) == str(tmp_path / "model.ckpt-3")
        assert (tmp_path / "model.ckpt-3.index").stat().st_ino == before
    assert names(tmp_path) == ["checkpoint", "model.ckpt-3.data-00000-of-00001", "model.ckpt-3.index"]


def test_in_a_folder_called_like_a_pattern_old_ones_are_deleted_too(tmp_path):
    folder = tmp_path / "units=[2]"
    with writing(folder, max_to_keep=2) as (writer, session, _):
        for step in (1, 2, 3):
            writer.save(session, step)
    assert [pathlib.Path(path).name for path in checkpoint_files.all_complete(folder)] == [
        "model.ckpt-2",
        "model.ckpt-3",
    ]
    with writing(folder, max_to_keep=2, checkpoint=checkpoints.newest(folder)) as (writer, session, _):
        writer.save(session, 4)
    assert checkpoints.newest(folder) == str(folder / "model.ckpt-4")
    assert len(checkpoint_files.all_complete(folder)) == 2


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_number_is_not_written(tmp_path, value):
    with writing(tmp_path) as (writer, session, v):
        writer.save(session, 1)
        set_to(session, v, value)
        with pytest.raises(saver.ExplodedError, match="after step 2 a variable is no longer a number"):
            writer.save(session, 2)
        assert writer.kept() == "model.ckpt-1 is kept, and the same command goes on from there"
    assert checkpoints.newest(tmp_path) == str(tmp_path / "model.ckpt-1")


def test_only_what_was_written_here_and_last_is_discarded(tmp_path):
    with writing(tmp_path) as (writer, session, _):
        writer.save(session, 1)
        writer.save(session, 2)
        writer.discard(1)
        assert checkpoints.newest(tmp_path) == str(tmp_path / "model.ckpt-2")
        writer.discard(2)
        assert checkpoints.newest(tmp_path) == writer.newest == str(tmp_path / "model.ckpt-1")
    with writing(tmp_path, checkpoint=str(tmp_path / "model.ckpt-1")) as (writer, _, _):
        writer.discard(1)
    assert checkpoints.newest(tmp_path) == str(tmp_path / "model.ckpt-1")


def test_the_only_one_can_be_discarded(tmp_path):
    with writing(tmp_path) as (writer, session, _):
        writer.save(session, 1)
        writer.discard(1)
        assert writer.kept() == "there is no checkpoint to go on from"
    assert names(tmp_path) == []


def test_so_many_stay_over_a_resume(tmp_path):
    with writing(tmp_path, max_to_keep=2) as (writer, session, _):
        for step in (1, 2, 3):
            writer.save(session, step)
    with writing(tmp_path, max_to_keep=2, checkpoint=str(tmp_path / "model.ckpt-3")) as (writer, session, _):
        writer.save(session, 4)
    assert [checkpoint_files.step_of(path) for path in checkpoint_files.all_complete(tmp_path)] == [3, 4]


def test_a_folder_that_was_moved_goes_on(tmp_path):
    with writing(tmp_path / "a") as (writer, session, _):
        writer.save(session, 1)
    (tmp_path / "a").rename(tmp_path / "b")
    assert tf.train.latest_checkpoint(str(tmp_path / "b")) == str(tmp_path / "b" / "model.ckpt-1")


def test_a_disk_without_room_is_told_before_training(tmp_path):
    with (
        disks.small(tmp_path / "disk", kib=64) as folder,
        pytest.raises(OSError, match=r"^the disk is full: a checkpoint takes 0.1 MiB, 0.1 MiB are free at "),
        writing(folder / "train", size=30_000),
    ):
        pass


def test_a_disk_that_is_full_in_the_middle_leaves_the_checkpoint_before(tmp_path):
    with disks.small(tmp_path / "disk", kib=200) as folder:
        train_dir = folder / "train"
        with writing(train_dir, size=25_000) as (writer, session, v):
            writer.save(session, 1)
            set_to(session, v, 2.0)
            failed = r"model.ckpt-2 \(0.1 MiB\) could not be written, 0.1 MiB are free;"
            message = rf"^the disk is full: .*/{failed}\n  model.ckpt-1 is kept"
            with pytest.raises(OSError, match=message):
                writer.save(session, 2)
        assert names(train_dir) == ["checkpoint", "model.ckpt-1.data-00000-of-00001", "model.ckpt-1.index"]
        assert checkpoints.newest(train_dir) == str(train_dir / "model.ckpt-1")
