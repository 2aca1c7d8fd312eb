"""What a run is prepared with: said, checked, and not written before the model fits."""

import pytest

from pipelines import train
from pipelines.training import interrupts, options, setup
from pipelines.training.replicas import Replica
from tests.tiny import TINY_HPARAMS


def prepared(run_dir, records, **more):
    run = train.check_run(run_dir, "groovae_4bar", TINY_HPARAMS, str(records / "train.tfrecord"), None)
    return setup.prepare(run, options.Training(precision="fp32", **more), interrupts.Stop())


def test_a_new_run_is_announced_and_nothing_is_written(tmp_path, starter_records, capsys):
    ready = prepared(tmp_path, starter_records, seed=3)
    assert (ready.state.seed, ready.state.step, ready.validation, ready.changes) == (3, 0, None, {})
    assert (ready.config.model.seed, ready.config.hparams.batch_size) == (3, 4)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if not line.startswith(" ")] == [
        *("config", "examples", "devices", "precision", "run"),
    ]
    assert lines[-1] == f"run       {tmp_path}, new"
    assert not list(tmp_path.iterdir())


def test_settings_are_written_by_the_chief(tmp_path, starter_records):
    setup.write_settings(prepared(tmp_path, starter_records, seed=3, command="python"))
    settings = prepared(tmp_path, starter_records).run.folder.settings()
    assert (settings["config"], settings["seed"], settings["command"]) == ("groovae_4bar", 3, "python")
    assert settings["data"]["num_examples"] == 220


def test_a_worker_takes_the_chiefs_seed_and_its_share(tmp_path, starter_records):
    setup.write_settings(prepared(tmp_path, starter_records, seed=3))
    before = (tmp_path / "config.json").read_bytes()
    validating = options.Validating(every_steps=1)
    replica = Replica(task=1, num_sync_workers=2)
    worker = prepared(tmp_path, starter_records, replica=replica, validating=validating, resumed=False)
    assert (worker.state.seed, worker.config.model.seed, worker.config.hparams.batch_size) == (3, 4, 2)
    assert worker.validation is None
    setup.write_settings(worker)
    assert (tmp_path / "config.json").read_bytes() == before
    with pytest.raises(ValueError, match=r"--noresume: .* is not empty"):
        prepared(tmp_path, starter_records, resumed=False)


def test_a_run_that_is_done_is_not_prepared(tiny_runs, starter_records, capsys):
    run = train.check_run(tiny_runs["groovae_4bar"], None, "", str(starter_records / "train.tfrecord"), None)
    assert setup.prepare(run, options.Training(num_steps=2), interrupts.Stop()) is None
    assert "already at step 2; a larger --num_steps trains on" in capsys.readouterr().out


def test_the_end_is_said_with_the_signals_status(tiny_runs, starter_records, capsys):
    run = train.check_run(tiny_runs["groovae_4bar"], None, "", str(starter_records / "train.tfrecord"), None)
    stop = interrupts.Stop()
    ready = setup.prepare(run, options.Training(precision="fp32"), stop)
    capsys.readouterr()
    assert setup.conclude(ready, 2, 1.25, stop) == 0
    newest = f"{run.folder.path}/train/model.ckpt-2"
    assert capsys.readouterr().out == f"step 2 after 1.2 minutes; checkpoint {newest}\n"
    stop.number = 15
    assert setup.conclude(ready, 2, 1.25, stop) == 143
    assert capsys.readouterr().out.endswith("stopped; the same command goes on from here\n")
