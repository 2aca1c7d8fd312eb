"""The loop: what it takes for an explosion, and that it leaves the last good checkpoint behind."""

import json
import math
import pathlib
import socket

import pytest

from models import checkpoint_files, checkpoints
from models.magenta import tf
from pipelines.runs import metrics_log
from pipelines.training import loop, options, replicas, saver
from tests import disks
from tests.tiny import TINY_HPARAMS, train_tiny


def test_so_many_dropped_steps_in_a_row_are_an_explosion():
    health = loop.Health(max_norm=100)
    for step in range(1, loop.MAX_DROPPED_STEPS):
        health.check(step, 2.0, 101.0)
    assert health.is_dropping
    health.check(50, 2.0, 99.0)
    assert not health.is_dropping
    with pytest.raises(saver.ExplodedError, match=r"at step 50 the gradient's norm is inf.*grad_norm_clip_to_zero=100"):
        for step in range(1, loop.MAX_DROPPED_STEPS + 1):
            health.check(step, 2.0, math.inf)


@pytest.mark.parametrize(
    ("loss", "norm", "max_norm"), [(math.nan, 1, 100), (math.inf, 1, 100), (1, math.nan, math.inf)]
)
def test_what_is_no_number_is_an_explosion_at_once(loss, norm, max_norm):
    with pytest.raises(saver.ExplodedError, match="the loss is no longer a number after step 3"):
        loop.Health(max_norm).check(3, loss, norm)


def test_a_run_whose_steps_are_all_dropped_ends_and_keeps_its_checkpoint(tmp_path, starter_records):
    train_tiny("groovae_4bar", tmp_path, starter_records, num_steps=1)
    with pytest.raises(ValueError, match=r"(?s)the loss has exploded.*model.ckpt-1 is kept.*learning_rate") as caught:
        train_tiny(
            "groovae_4bar", tmp_path, starter_records, num_steps=500, hparams=f"{TINY_HPARAMS},grad_norm_clip_to_zero=1"
        )
    assert len(str(caught.value).splitlines()) == 2
    assert [checkpoint_files.step_of(path) for path in checkpoint_files.all_complete(tmp_path / "train")] == [1]
    assert metrics_log.read(tmp_path)[-1]["step"] == 50  # 51 is the fiftieth that was dropped.


def train_saving_each_step(run_dir, records, num_steps, hparam):
    chosen = {"hparams": f"{TINY_HPARAMS},{hparam}", "saving": options.Saving(every_secs=0)}
    train_tiny("groovae_4bar", run_dir, records, num_steps=num_steps, seed=1, **chosen)


def test_no_checkpoint_is_written_while_steps_are_dropped(tmp_path, starter_records):
    with pytest.raises(ValueError, match="there is no checkpoint to go on from"):
        train_saving_each_step(tmp_path, starter_records, 500, "grad_norm_clip_to_zero=1")
    assert checkpoints.newest(tmp_path / "train") is None


def test_a_checkpoint_that_leads_to_no_number_is_not_kept(tmp_path, starter_records):
    """With a checkpoint after each step, that of the step before is finite, and useless."""
    with pytest.raises(
        ValueError, match=r"the loss is no longer a number|a variable is no longer a number|the loss has exploded"
    ):
        train_saving_each_step(tmp_path, starter_records, 100, "learning_rate=1e30")
    kept = [checkpoint_files.step_of(path) for path in checkpoint_files.all_complete(tmp_path / "train")]
    last = metrics_log.read(tmp_path)[-1]["step"]
    assert last not in kept


def test_the_log_has_rows_for_training_and_validation(tiny_runs):
    rows = metrics_log.read(tiny_runs["hier-drums_4bar_small"])
    assert [(row["split"], row["step"]) for row in rows] == [("train", 1), ("train", 2)]
    assert {"loss", "r_loss", "kl_loss", "kl_bits", "kl_beta", "learning_rate", "global_norm"} <= set(rows[0])
    assert rows[0]["secs"] < rows[1]["secs"]
    assert json.dumps(rows)  # Numbers alone.


@pytest.mark.parametrize("kib", [230, 300])
def test_a_disk_that_fills_up_ends_a_run_and_its_last_checkpoint_is_good(tmp_path, starter_records, kib):
    with disks.small(tmp_path / "disk", kib) as folder:
        run_dir = folder / "run"
        with pytest.raises(OSError, match=r"the disk is full: .* could not be written, .* MiB are free") as caught:
            train_tiny("groovae_4bar", run_dir, starter_records, 2000, saving=options.Saving(every_secs=0))
        message = str(caught.value)
        assert len(message.splitlines()) == 2
        newest = checkpoints.newest(run_dir / "train")
        assert f"{pathlib.Path(newest).name} is kept" in message
        assert len(metrics_log.read(run_dir)) >= 1
        assert not [path for path in run_dir.rglob("*") if "tempstate" in path.name or "partial" in path.name]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # Of TensorFlow's queues.
@pytest.mark.parametrize("num_sync_workers", [pytest.param(0, marks=pytest.mark.thorough), 1])
def test_a_cluster_trains_and_goes_on(tmp_path, starter_records, num_sync_workers):
    """With a parameter server; all of it in this process."""
    for num_steps in (3, 5):
        replica = replicas.Replica(start_cluster(), num_ps_tasks=1, num_sync_workers=num_sync_workers)
        assert train_tiny("groovae_4bar", tmp_path, starter_records, num_steps, seed=1, replica=replica) == 0
    assert checkpoint_files.step_of(checkpoints.newest(tmp_path / "train")) == 5


def start_cluster() -> str:
    """Returns the address of a worker beside a parameter server."""
    with socket.create_server(("localhost", 0)) as first, socket.create_server(("localhost", 0)) as second:
        ports = [each.getsockname()[1] for each in (first, second)]
    jobs = {"ps": [f"localhost:{ports[0]}"], "worker": [f"localhost:{ports[1]}"]}
    return [tf.train.Server(jobs, job, 0) for job in jobs][1].target


def test_a_gpu_that_fails_is_told_in_two_lines(tmp_path):
    with tf.Graph().as_default():
        tf.train.get_or_create_global_step()
        writer = saver.CheckpointWriter(tmp_path, options.Saving())
    message = "CUDA_ERROR_NO_BINARY_FOR_GPU: no kernel image is available\n\nOriginal stack trace"
    with pytest.raises(OSError, match=r"^the GPU failed: CUDA_ERROR") as caught, loop._explained(tmp_path, writer):
        raise tf.errors.InternalError(None, None, message)
    assert "there is no checkpoint to go on from" in str(caught.value)
    with pytest.raises(tf.errors.InternalError), loop._explained(tmp_path, writer):
        raise tf.errors.InternalError(None, None, "something else")
