"""Training from the command line's point of view: it starts, goes on, stops, and refuses what does not fit."""

import dataclasses
import json
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from models import checkpoint_files, checkpoints
from models.magenta import tf
from pipelines import train
from tests.tiny import TINY_HPARAMS, train_tiny


def evaluate_tiny(run_dir, records, **options):
    run = train.check_run(run_dir, None, "", str(records / "validation.tfrecord"), None)
    train.evaluate_run(run, **options)
    return json.loads((run_dir / "eval" / "metrics.json").read_text())


def variables_of(run_dir):
    reader = tf.train.load_checkpoint(checkpoints.newest(run_dir / "train"))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def test_a_run_leaves_checkpoints_events_and_its_config(tiny_runs):
    run_dir = tiny_runs["hier-drums_4bar_small"]
    record = json.loads((run_dir / "config.json").read_text())
    assert record["config"] == "hier-drums_4bar_small"
    assert record["hparams"]["batch_size"] == 4
    assert record["versions"]["magenta"] == "2.1.4"
    assert checkpoints.newest(run_dir / "train") == str(run_dir / "train" / "model.ckpt-2")
    assert {path.name for path in run_dir.iterdir()} >= {"config.json", "metrics.jsonl", "curves.png", "train"}
    assert not (run_dir / ".lock").exists()
    (events,) = (run_dir / "train").glob("events.out.tfevents.*")
    tags = {v.tag for event in tf.train.summary_iterator(str(events)) for v in event.summary.value}
    losses = {"loss", "losses/r_loss", "losses/kl_loss", "losses/kl_bits", "losses/kl_beta"}
    assert tags == losses | {"learning_rate", "global_norm"}


def test_the_same_command_goes_on_and_then_has_nothing_to_do(tmp_path, starter_records, capsys):
    train_tiny("groovae_4bar", tmp_path, starter_records, num_steps=1)
    before = variables_of(tmp_path)
    train_tiny("groovae_4bar", tmp_path, starter_records, num_steps=3)
    assert "going on from step 1" in capsys.readouterr().out
    after = variables_of(tmp_path)
    assert (before["global_step"], after["global_step"]) == (1, 3)
    assert not np.array_equal(before["decoder/output_projection/kernel"], after["decoder/output_projection/kernel"])
    train_tiny("groovae_4bar", tmp_path, starter_records, num_steps=3)
    assert "already at step 3" in capsys.readouterr().out


def test_the_same_seed_trains_the_same_model(tmp_path, starter_records):
    for name in ("a", "b"):
        train_tiny("hier-drums_4bar_small", tmp_path / name, starter_records, num_steps=2, seed=5)
    first, second = (variables_of(tmp_path / name) for name in ("a", "b"))
    for name, value in first.items():
        np.testing.assert_allclose(value, second[name], rtol=1e-5, atol=1e-7, err_msg=name)


def test_a_batch_may_be_larger_than_the_data(tmp_path, starter_records):
    train_tiny(
        "groovae_4bar",
        tmp_path,
        starter_records,
        num_steps=1,
        hparams=TINY_HPARAMS.replace("batch_size=4", "batch_size=300"),
    )
    assert variables_of(tmp_path)["global_step"] == 1


def test_evaluation_writes_metrics_for_all_examples(tiny_runs, starter_records, capsys):
    metrics = evaluate_tiny(tiny_runs["hier-drums_4bar_small"], starter_records, num_batches=None)
    assert metrics["num_examples"] == 170
    assert metrics["global_step"] == 2
    assert re.search(r"teacher_forced_accuracy +0\.\d{4}", capsys.readouterr().out)


def test_evaluation_of_some_batches(tiny_runs, starter_records):
    assert evaluate_tiny(tiny_runs["groovae_4bar"], starter_records, num_batches=2)["num_examples"] == 8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "groovae_4bar"}, "was trained with --config=hier-drums_4bar_small, not groovae_4bar"),
        ({"tfds_name": "groove"}, "--examples_path and --tfds_name were both given"),
        ({"examples_path": None}, "which data?"),
        ({"name": "no_such"}, "unknown config 'no_such'"),
        ({"hparams": "z_sise=3"}, "known hparams"),
        ({"hparams": "windows_per_performance=-1"}, "windows_per_performance is -1; it is at least 0"),
        ({"run_dir": "new", "name": "cat-mel_2bar_small", "stride_bars": 2}, "--stride_bars=2: OneHotMelodyConverter"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_done(tiny_runs, starter_records, options, message):
    arguments = {
        "run_dir": tiny_runs["hier-drums_4bar_small"],
        "name": None,
        "hparams": "",
        "examples_path": str(starter_records / "train.tfrecord"),
        "tfds_name": None,
    }
    with pytest.raises(ValueError, match=re.escape(message)):
        train.check_run(**arguments | options)


def test_the_flags_accept_what_there_is():
    """The choices are written out, as `models.precision` imports TensorFlow."""
    program = """
from absl import flags
from models import precision
from pipelines import train

train.define_flags()
for name, choices in (("precision", precision.PRECISIONS), ("layers", precision.LAYERS)):
    print(tuple(flags.FLAGS[name].parser.enum_values) == choices, flags.FLAGS[name].default)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "True auto\nTrue auto\n"), done.stderr


def test_a_stride_and_a_cache_of_ones_own(tmp_path, starter_records, capsys):
    records = str(starter_records / "train.tfrecord")
    counts = []
    for stride_bars in (4, 2):
        run = train.check_run(
            tmp_path / f"run{stride_bars}",
            "groovae_4bar",
            TINY_HPARAMS,
            records,
            None,
            stride_bars=stride_bars,
            cache_dir=str(tmp_path / "cache"),
        )
        assert train.train_run(run, 1, None) == 0
        counts.append(int(re.search(r"^examples  (\d+) from", capsys.readouterr().out, re.MULTILINE)[1]))
    assert counts[1] > 1.5 * counts[0]
    assert len(list((tmp_path / "cache").glob("*/train-*"))) == 2
    train.evaluate_run(dataclasses.replace(run, examples_path=str(starter_records / "validation.tfrecord")), 1)
    assert len(list((tmp_path / "cache").glob("*/validation-*"))) == 1


def test_one_window_of_each_performance_can_be_drawn_for_an_epoch(tmp_path, starter_records):
    hparams = f"{TINY_HPARAMS},windows_per_performance=1"
    assert train_tiny("hier-drums_4bar_small", tmp_path, starter_records, num_steps=1, hparams=hparams) == 0
    assert json.loads((tmp_path / "config.json").read_text())["hparams"]["windows_per_performance"] == 1


def test_other_sizes_than_the_checkpoints_are_refused(tmp_path, starter_records):
    train_tiny("groovae_4bar", tmp_path, starter_records, num_steps=1)
    with pytest.raises(ValueError, match="of another config or other hparams"):
        train_tiny(
            "groovae_4bar", tmp_path, starter_records, num_steps=2, hparams=TINY_HPARAMS.replace("z_size=4", "z_size=9")
        )
    assert json.loads((tmp_path / "config.json").read_text())["hparams"]["z_size"] == 4


def test_evaluation_without_a_checkpoint_says_so(tmp_path, starter_records):
    run = train.check_run(tmp_path, "groovae_4bar", "", str(starter_records / "validation.tfrecord"), None)
    with pytest.raises(FileNotFoundError, match=r"no checkpoint in .*; train first"):
        train.evaluate_run(run, None)


def test_a_loss_that_is_no_number_ends_the_run(tmp_path, starter_records):
    train_tiny("groovae_4bar", tmp_path, starter_records, num_steps=1)
    kept = variables_of(tmp_path)
    with pytest.raises(ValueError, match="the loss is no longer a number after step"):
        train_tiny(
            "groovae_4bar", tmp_path, starter_records, num_steps=40, hparams=TINY_HPARAMS + ",learning_rate=1e38"
        )
    np.testing.assert_array_equal(variables_of(tmp_path)["global_step"], kept["global_step"])


def start(*flags, records, run_dir):
    command = [sys.executable, "-m", "pipelines.train", f"--run_dir={run_dir}", "--precision=fp32", *flags]
    command += [f"--examples_path={records / 'train.tfrecord'}", "--config=groovae_4bar", f"--hparams={TINY_HPARAMS}"]
    return subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def wait_for(stream, beginning):
    """Reads lines until one begins so."""
    for line in stream:
        if line.startswith(beginning):
            return line
    raise AssertionError(f"no line begins with {beginning!r}")


@pytest.mark.slow
def test_a_signal_in_training_writes_a_checkpoint_and_a_second_process_waits_its_turn(tmp_path, starter_records):
    process = start("--num_steps=0", records=starter_records, run_dir=tmp_path)
    wait_for(process.stderr, "step ")  # The first line comes with the first step.
    second = start("--num_steps=0", records=starter_records, run_dir=tmp_path)
    _, err = second.communicate(timeout=60)
    assert second.returncode == 1
    assert err.startswith(f"error: {tmp_path}: another process trains in this folder (process {process.pid});")
    metrics = evaluate_tiny_or_none(tmp_path, starter_records)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "the same command goes on from here" in out
    assert "Traceback" not in err
    step = checkpoint_files.step_of(checkpoints.newest(tmp_path / "train"))
    assert step > 1
    assert f"model.ckpt-{step}" in out
    assert metrics is None or metrics["global_step"] <= step


def evaluate_tiny_or_none(run_dir, records):
    """Evaluates a run that is being trained, if it has a checkpoint already."""
    return evaluate_tiny(run_dir, records, num_batches=1) if checkpoints.newest(run_dir / "train") else None


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["config ", "run ", "step ", "validation "])
def test_a_signal_at_any_time_is_a_clean_end(tmp_path, starter_records, moment):
    """While things are imported, the graph is built, in training, and beside a validation and its checkpoint."""
    process = start(
        *("--num_steps=0", "--eval_every_steps=3", "--save_checkpoints_secs=0"),
        records=starter_records,
        run_dir=tmp_path,
    )
    if moment == "config ":
        time.sleep(1.5)
    else:
        wait_for(process.stdout if moment == "run " else process.stderr, moment)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 143, err
    assert "Traceback" not in err
    assert out.endswith("stopped; the same command goes on from here\n")
    assert not list(tmp_path.rglob("*partial*")) + list(tmp_path.rglob("*tempstate*"))
    if moment in ("step ", "validation "):
        assert checkpoints.newest(tmp_path / "train")


@pytest.mark.slow
def test_a_watching_evaluation_goes_on_until_it_is_stopped(tiny_runs, starter_records):
    process = start("--mode=eval", "--eval_interval_secs=1", records=starter_records, run_dir=tiny_runs["groovae_4bar"])
    for line in process.stdout:
        if line.startswith("written to "):
            break
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err.splitlines()[-1]) == (130, "interrupted")
