"""The benchmarks' arithmetic, what they write down and read, and one of training from end to end."""

import json
import subprocess
import sys

import numpy as np
import pytest

import configs
from benchmarks import (
    command,
    comparison,
    contenders,
    curve,
    curve_plot,
    curves,
    magenta_configs,
    step_hook,
    step_log,
    train,
)
from models import own_hparams
from models.magenta import tf
from pipelines.examples import loading
from tests.tiny import TINY_HPARAMS

TINY_SIZES = TINY_HPARAMS.removeprefix("batch_size=4,")
TASK = contenders.Task("hier-drums_4bar_small", "train.tfrecord", 64, "z_size=4")


def write_log(path, secs, losses, **last):
    lines = [{"graph_nodes": 7}]
    lines += [{"step": n, "secs": s, "loss": x} for n, (s, x) in enumerate(zip(secs, losses, strict=True), start=1)]
    lines[-1] |= last
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_a_log_is_read_up_to_its_last_whole_line(tmp_path):
    path = write_log(tmp_path / "steps.jsonl", [9.0, 10.0], [400.0, 390.0], operations=25)
    path.write_text(path.read_text() + '{"step": 3, "se')
    assert step_log.read(path) == step_log.StepLog([1, 2], [9.0, 10.0], [400.0, 390.0], 7, 25)


def test_a_log_without_steps_says_so(tmp_path):
    path = write_log(tmp_path / "steps.jsonl", [], [])
    with pytest.raises(ValueError, match="no step was finished"):
        step_log.read(path)


def test_warm_up_steps_do_not_count(tmp_path):
    secs = [60.0, 70.0, 71.0, 73.0, 78.0]
    log = step_log.read(write_log(tmp_path / "steps.jsonl", secs, [1.0] * 5))
    assert step_log.median_step_secs(log, 1) == 3.5  # Of 10, 1, 2 and 5.
    assert step_log.median_step_secs(log, 2) == 2.0
    with pytest.raises(ValueError, match="5 steps, 5 of them to warm up"):
        step_log.median_step_secs(log, 5)


def test_ratios_say_how_many_times_better():
    assert comparison.ratio(100.0, 250.0, more_is_better=True) == 2.5
    assert comparison.ratio(60.0, 10.0, more_is_better=False) == 6.0


def test_the_table_has_medians_their_range_and_ratios():
    theirs = comparison.Result(
        [comparison.Run(rate, 60.0, 3000.0, 300.0) for rate in (90.0, 100.0, 130.0)], 1000, 1000, 500
    )
    ours = comparison.Result([comparison.Run(250.0, 12.0, 6000.0, 299.0)], 400, 80, 200)
    lines = {line[:30].strip(): line[30:].split() for line in comparison.table({"Magenta": theirs, "fp32": ours})}
    assert lines[""] == ["Magenta", "fp32", "better"]
    assert lines["examples a second"] == ["100.0", "(90.0", "to", "130.0)", "250.0", "2.50"]
    assert lines["command to first step (s)"][-2:] == ["12.00", "5.00"]
    assert lines["largest memory (MiB)"][-2:] == ["6000", "0.50"]
    assert lines["loss of the last step"][-1] == "299.00"  # Less of it is no merit of a step.
    assert lines["operations a step"] == ["1,000", "400", "2.50"]
    assert lines["operations a step, GPU's path"] == ["1,000", "80", "12.50"]
    assert lines["operations in the graph"] == ["500", "200", "2.50"]


def test_what_was_not_measured_has_no_line():
    lines = comparison.table({"Magenta": comparison.Result(operations=9), "fp32": comparison.Result()})
    assert [line.split() for line in lines[1:]] == [["operations", "a", "step", "9", "-"]]


def test_contenders_get_the_same_task(tmp_path, monkeypatch):
    commands = []

    def run(name, arguments, output_path):
        commands.append(arguments[1:])
        write_log(output_path.parent / "steps.jsonl", [1.0], [2.0])
        return command.Outcome(1.0, 2)

    monkeypatch.setattr(command, "run", run)
    for way in (contenders.magenta(), contenders.ours("bf16")):
        way.train(TASK, tmp_path, 5)
    theirs, ours = (set(arguments) for arguments in commands)
    assert "--hparams=batch_size=64,z_size=4" in theirs & ours
    assert {"--config=hier-drums_4bar_small", "--examples_path=train.tfrecord", "--num_steps=5"} <= theirs & ours
    assert {"--precision=bf16", "benchmarks.our_train"} < ours - theirs
    assert "benchmarks.magenta_train" in theirs - ours


def test_a_contender_is_called_after_its_precision_and_layers():
    assert contenders.ours("fp32") == contenders.Contender("fp32", "benchmarks.our_train", ("--precision=fp32",))
    by_cudnn = contenders.ours("fp32", layers="cudnn")
    assert (by_cudnn.name, by_cudnn.flags) == ("fp32 cudnn", ("--precision=fp32", "--layers=cudnn"))
    assert contenders.ours("auto", "tuned").name == "tuned"


def test_unknown_names_are_told_before_anything_runs():
    with pytest.raises(ValueError, match=r"--config=nade: not one .* accepted: hier-drums_4bar_small, "):
        contenders.check_config("nade")
    with pytest.raises(ValueError, match="'fp8' is none; accepted: fp32, bf16"):
        contenders.check_precisions(["fp32", "fp8"])


def test_a_command_is_measured_and_its_failure_told(tmp_path):
    code = "import time; held = bytearray(200 * 2**20); time.sleep(0.2)"
    outcome = command.run("it", [sys.executable, "-c", code], tmp_path / "output.txt")
    assert outcome.peak_bytes > 200 * 2**20
    assert outcome.secs > 0.2
    for said in ("spoilt", "error: spoilt\\n  and a hint"):
        with pytest.raises(ValueError, match=r"it failed with status 1: spoilt$"):
            command.run("it", [sys.executable, "-c", f"raise SystemExit('{said}')"], tmp_path / "output.txt")


@pytest.mark.parametrize("name", contenders.CONFIGS)
def test_magentas_configs_differ_from_ours_in_classes_alone(name):
    theirs, ours = magenta_configs.build(name, all_windows=True), configs.CONFIG_MAP[name]
    assert theirs.hparams.values() | own_hparams.DEFAULTS == ours.hparams.values()
    assert theirs.data_converter.output_depth == ours.data_converter.output_depth
    for part in (theirs.model, theirs.model.encoder, theirs.model.decoder, theirs.data_converter):
        assert type(part).__module__.startswith("magenta.")


def take_steps(hook, num_iterations=3):
    """Trains a made-up model whose step has a loop; stops after ten steps, or when the hook does."""
    with tf.Graph().as_default():
        step = tf.train.get_or_create_global_step()
        loss = tf.while_loop(lambda i, x: i < num_iterations, lambda i, x: (i + 1, x / 2), (0, tf.constant(80.0)))[1]
        tf.summary.scalar("loss", loss)
        train = tf.assign_add(step, 1)
        hooks = [tf.train.StopAtStepHook(last_step=10), hook]
        with tf.train.MonitoredSession(hooks=hooks) as session:
            while not session.should_stop():
                session.run(train)


def test_the_hook_writes_down_every_step(tmp_path):
    take_steps(step_hook.StepHook(tmp_path / "steps.jsonl", started_secs=-1000.0))
    log = step_log.read(tmp_path / "steps.jsonl")
    assert log.steps == list(range(1, 11))
    assert log.losses == [10.0] * 10
    assert log.secs == sorted(log.secs) and log.secs[0] > 1000
    assert log.graph_nodes > 10
    assert log.operations is None


def test_the_hook_counts_operations_as_often_as_loops_execute_them(tmp_path):
    counts = []
    for num_iterations in (3, 4, 5):
        path = tmp_path / f"{num_iterations}.jsonl"
        take_steps(step_hook.StepHook(path, 0.0, traced_step=2), num_iterations)
        counts.append(step_log.read(path).operations)
    assert counts[1] - counts[0] == counts[2] - counts[1] > 3


def test_the_hook_ends_training_in_time(tmp_path):
    take_steps(step_hook.StepHook(tmp_path / "steps.jsonl", started_secs=0.0, stop_secs=1e-3))
    assert step_log.read(tmp_path / "steps.jsonl").steps == [1]


def test_the_hook_needs_a_loss():
    with tf.Graph().as_default() as graph, pytest.raises(ValueError, match="no scalar summary 'loss'"):
        step_hook.find_loss(graph)


@pytest.fixture
def contender_dir(tmp_path):
    """A contender's folder: ten steps of half a minute, checkpoints after 2, 5, 6 and 10 of them, two evaluated."""
    folder = tmp_path / "fp32"
    (folder / "run" / "train").mkdir(parents=True)
    write_log(folder / "steps.jsonl", [30.0 * n for n in range(1, 11)], [100.0 - n for n in range(1, 11)])
    for step in (0, 2, 5, 6, 10):
        for ending in ("index", "data-00000-of-00001"):
            (folder / "run" / "train" / f"model.ckpt-{step}.{ending}").touch()
    judged = {"10": {"loss": 91.0, "hit_f1": 0.5}, "5": {"loss": 95.5, "hit_f1": 0.4}}
    (folder / curve.EVALUATIONS_NAME).write_text(json.dumps(judged))
    return folder


def test_checkpoints_nearest_to_the_intervals_are_judged(contender_dir):
    log, found = curve.read(contender_dir).log, curve.checkpoints(contender_dir / "run" / "train")
    assert list(found) == [2, 5, 6, 10]
    assert found[5] == str(contender_dir / "run" / "train" / "model.ckpt-5")
    assert curve.steps_at_intervals(log, found, 2.5) == [5, 10]
    assert curve.steps_at_intervals(log, found, 1.0) == [2, 5, 6, 10]
    assert curve.steps_at_intervals(log, found, 60.0) == [10]


def test_rows_have_the_mean_training_loss_since_the_row_before(contender_dir):
    rows = curve.rows(curve.read(contender_dir))
    assert rows[0] == {
        "contender": "fp32",
        "step": 5,
        "minutes": 2.5,
        "training_loss": 97.0,
        "heldout_loss": 95.5,
        "heldout_hit_f1": 0.4,
    }
    assert [(row["step"], row["training_loss"]) for row in rows] == [(5, 97.0), (10, 92.0)]
    text = "contender,step,minutes,training_loss,heldout_loss,heldout_hit_f1\nfp32,5,2.5,97.0,95.5,0.4\n"
    assert curve.as_csv(rows).startswith(text)


def test_a_metric_that_is_not_defined_is_an_empty_cell():
    assert curve.as_csv([{"step": 1, "loss": 2.5}, {"step": 2, "f1": 0.5, "loss": 2.0}]) == (
        "step,loss,f1\n1,2.5,\n2,2.0,0.5\n"
    )
    assert curve.as_csv([]) == "\n"


def test_smoothing_looks_back_only():
    np.testing.assert_allclose(curve.smooth([4.0, 2.0, 0.0, 6.0], 2), [4.0, 3.0, 1.0, 3.0])


def test_the_picture_shows_what_was_measured(contender_dir, tmp_path):
    each = curve.read(contender_dir)
    curve_plot.draw([each], "title", tmp_path / "two_rows.png")
    curve_plot.draw([curve.Curve("fp32", each.log, {})], "title", tmp_path / "one_row.png")
    heights = []
    for name in ("one_row.png", "two_rows.png"):
        png = (tmp_path / name).read_bytes()
        assert png.startswith(b"\x89PNG")
        heights.append(int.from_bytes(png[20:24], "big"))
    assert heights[1] == pytest.approx(3 * heights[0], abs=3)  # Training loss, held-out loss, hit F1.


class Interrupted(contenders.Contender):
    """Trains nothing; leaves a file as if it had, and then may be cut off."""

    def train(self, task, folder, num_steps, *more_flags):
        (folder / "trained.txt").write_text(" ".join(more_flags))
        if self.name == "cut off":
            raise KeyboardInterrupt


def test_a_training_is_there_whole_or_not_at_all(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        curves.train(Interrupted("cut off", ""), TASK, 30, tmp_path / "fp32")
    assert not (tmp_path / "fp32").exists()
    curves.train(Interrupted("fp32", ""), TASK, 30, tmp_path / "fp32")
    assert "--stop_secs=1800" in (tmp_path / "fp32" / "trained.txt").read_text()
    curves.train(Interrupted("cut off", ""), TASK, 30, tmp_path / "fp32")  # Is there already.
    with pytest.raises(ValueError, match=r"fp32: trained with .*'minutes': 30.* give another --output_dir"):
        curves.train(Interrupted("fp32", ""), TASK, 20, tmp_path / "fp32")


def test_a_batch_size_of_0_is_the_configs():
    assert "--hparams=batch_size=64,z_size=4" in TASK.flags()
    assert "--hparams=" in contenders.Task("groovae_4bar", "train.tfrecord", 0).flags()


@pytest.mark.thorough
def test_a_config_with_its_own_hparams_is_drawn_beside_the_others(starter_records, tmp_path):
    arguments = [
        *("--config=groovae_4bar_humanize", "--only=tuned", "--minutes=0.2", f"--output_dir={tmp_path}"),
        *(
            f"--examples={starter_records / 'train.tfrecord'}",
            f"--validation={starter_records / 'validation.tfrecord'}",
        ),
    ]
    program = [sys.executable, "-m", "benchmarks.curves", *arguments]
    unnamed = subprocess.run(program, capture_output=True, text=True, check=False)
    assert unnamed.returncode == 1
    assert "--only=tuned: which config?" in unnamed.stderr
    tuned = "groovae_4bar_humanize_groove"
    done = subprocess.run([*program, f"--tuned={tuned}"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "tuned" / "task.json").read_text())["config"] == tuned
    assert (tmp_path / "curves.png").exists()
    curve_csv = (tmp_path / "curves.csv").read_text()
    assert "tuned" in curve_csv
    assert "heldout_timing_mae_ms" in curve_csv
    judged_on = configs.CONFIG_MAP["groovae_4bar_humanize"]  # Whose windows are four bars apart.
    windows = loading.load(judged_on, "validation", str(starter_records / "validation.tfrecord"))
    assert f" of {len(windows)} windows" in done.stdout


@pytest.mark.slow
def test_training_is_measured_beside_magentas(starter_records, tmp_path):
    output = tmp_path / "numbers.json"
    arguments = (
        f"--batch_size=4 --hparams={TINY_SIZES} --num_steps=5 --warmup_steps=2 --runs=1 --precisions=fp32".split()
    )
    arguments += ["--nocount_operations", f"--examples={starter_records / 'train.tfrecord'}", f"--output={output}"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.train", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "hier-drums_4bar_small, 4 a batch, 5 steps" in done.stdout
    results = json.loads(output.read_text())["results"]
    for name in ("Magenta", "fp32"):
        (run,) = results[name]["runs"]
        assert 380 < run["loss"] < 410  # Of an untrained model, 64 · ln 512 = 399.
        assert run["first_step_secs"] > 1
        assert run["peak_mib"] > 200
        assert run["examples_per_sec"] > 1


@pytest.mark.thorough
def test_the_operations_of_both_paths_are_counted(starter_records):
    task = contenders.Task("groovae_4bar", starter_records / "train.tfrecord", 4, TINY_SIZES)
    result = comparison.Result()
    train.count(contenders.ours("fp32"), task, result)
    assert 100 < result.gpu_operations < result.operations
    assert result.graph_nodes > 1000


def test_ours_imports_tensorflow_as_its_users_do():
    """Two seconds later otherwise: pandas and others with it, and without the options for XLA."""
    program = """
import sys
from benchmarks import our_train

our_train.define_flags()
print(sorted({"pandas.core", "sklearn"} & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr
