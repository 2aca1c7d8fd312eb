"""Validation during training: when, on what, which checkpoint stays, and when training ends."""

import json
import shutil

import pytest

from models import checkpoint_files, checkpoints
from models.magenta import tf
from pipelines import workflow
from pipelines.evaluation import evaluator, registry
from pipelines.runs import best, metrics_log, resolution
from pipelines.runs.run_folder import RunFolder
from pipelines.training import options, validation
from tests.tiny import TINY_HPARAMS, train_tiny

NAME = "groovae_4bar"
FAST = f"{TINY_HPARAMS},learning_rate=0.01"


def rows(*losses):
    return [{"split": "validation", "step": 10 * i, "loss": loss} for i, loss in enumerate(losses, start=1)]


@pytest.mark.parametrize(
    ("losses", "step", "since"),
    [((3.0, 2.0, 4.0, 5.0), 20, 2), ((3.0, 3.0), 10, 1), ((None, 7.0, None), 20, 1), ((1.0,), 10, 0)],
)
def test_the_best_is_the_lowest_loss_and_the_first_of_equals(losses, step, since):
    assert registry.best_row(rows(*losses), "loss")["step"] == step
    assert validation.num_since_best(rows(*losses), "loss") == since


def test_the_best_accuracy_is_the_highest():
    found = [{"step": step, "teacher_forced_accuracy": accuracy} for step, accuracy in ((1, 0.1), (2, 0.3), (3, 0.2))]
    assert registry.best_row(found, "teacher_forced_accuracy")["step"] == 2


def test_without_a_number_there_is_no_best():
    assert registry.best_row(rows(None), "loss") is None
    assert validation.num_since_best(rows(None), "loss") == 0


@pytest.fixture(scope="module")
def validated(tmp_path_factory, starter_records):
    """A run of five steps, validated after two, four and at the end; the rate is so high that it gets better."""
    run_dir = tmp_path_factory.mktemp("validated")
    validating = options.Validating(every_steps=2)
    assert train_tiny(NAME, run_dir, starter_records, 5, 1, FAST, validating=validating) == 0
    return run_dir


def validations(run_dir):
    return [row for row in metrics_log.read(run_dir) if row["split"] == "validation"]


def test_checkpoints_are_validated_when_it_is_time_and_at_the_end(validated):
    found = validations(validated)
    assert [row["step"] for row in found] == [2, 4, 5]
    assert {"loss", "r_loss", "kl_bits", "hits_loss", "velocities_loss", "offsets_loss"} <= set(found[0])
    assert not {"hit_f1", "timing_mae_ms"} & set(found[0])  # They would have to be sampled.
    assert (validated / "curves.png").stat().st_size > 5000


def test_validation_measures_what_evaluation_does(validated, starter_records):
    from pipelines.examples import loading

    _, config = resolution.resolve_config(RunFolder(validated), None, "")
    examples = loading.load(config, "validation", str(starter_records / "validation.tfrecord"))
    measured = evaluator.evaluate(config, examples, str(validated / "train" / "model.ckpt-4"))
    row = validations(validated)[1]
    for name in ("loss", "r_loss", "kl_bits", "hits_loss", "offsets_loss"):
        assert row[name] == pytest.approx(measured[name], rel=1e-5), name


def test_the_best_checkpoint_is_kept_beside(validated):
    top = min(validations(validated), key=lambda row: row["loss"])
    metrics = json.loads((validated / "best" / "metrics.json").read_text())
    assert metrics == {"checkpoint": f"model.ckpt-{top['step']}", **top}
    with checkpoints.unpacked(validated / "best") as path:
        assert path == str(validated / "best" / f"model.ckpt-{top['step']}")


def test_tensorboard_gets_validations_under_magentas_names(validated):
    found = {}
    for path in (validated / "eval").glob("events.out.tfevents.*"):
        for event in tf.train.summary_iterator(str(path)):
            found |= {(event.step, value.tag): value.simple_value for value in event.summary.value}
    assert {"loss", "losses/r_loss", "losses/kl_bits", "metrics/hits_loss"} <= {tag for _, tag in found}
    assert found[4, "loss"] == pytest.approx(validations(validated)[1]["loss"])


def test_a_resume_takes_up_what_was_left_to_do(validated, starter_records, tmp_path, capsys):
    """As after a kill between the checkpoint of step 4 and its validation, or before the best was put in its place."""
    run_dir = shutil.copytree(validated, tmp_path / "run")
    for path in (run_dir / "train").glob("*ckpt-5*"):
        path.unlink()
    log_path = run_dir / metrics_log.LOG_NAME
    lines = log_path.read_text().splitlines()
    log_path.write_text("\n".join(line for line in lines if '"validation", "step": 4' not in line) + "\n")
    shutil.rmtree(run_dir / "best")
    validating = options.Validating(every_steps=2)
    train_tiny(NAME, run_dir, starter_records, 5, hparams="", validating=validating)
    assert "going on from step 4" in capsys.readouterr().out
    again, before = validations(run_dir), validations(validated)
    assert [row["step"] for row in again] == [2, 4, 5]
    assert again[1]["loss"] == before[1]["loss"]
    assert best.holds(run_dir, min(again, key=lambda row: row["loss"]))


def test_what_validation_opens_it_closes(tmp_path, starter_records, monkeypatch):
    opened, closed = [], []
    make, close = evaluator.Evaluator.__init__, evaluator.Evaluator.close

    def init(self, *args, **kwargs):
        opened.append(self)
        make(self, *args, **kwargs)

    def end(self):
        closed.append(self)
        close(self)

    monkeypatch.setattr(evaluator.Evaluator, "__init__", init)
    monkeypatch.setattr(evaluator.Evaluator, "close", end)
    train_tiny(NAME, tmp_path, starter_records, 2, 1, FAST, validating=options.Validating(every_steps=1, num_batches=1))
    assert len(opened) == 1
    assert closed == opened


def test_a_best_checkpoint_that_is_gone_is_said_to_be(tmp_path, validated, starter_records, capsys):
    """As where --best_metric is another one than before, and the checkpoint that is best by it was not kept."""
    run_dir = tmp_path / "run"
    shutil.copytree(validated, run_dir)
    log = run_dir / metrics_log.LOG_NAME
    written = [json.loads(line) for line in log.read_text().splitlines()]
    next(row for row in written if row["split"] == "validation" and row["step"] == 2)["loss"] = 0.5
    log.write_text("".join(json.dumps(row) + "\n" for row in written))
    for path in (run_dir / "train").glob("model.ckpt-2.*"):
        path.unlink()
    validating = options.Validating(every_steps=2)
    assert train_tiny(NAME, run_dir, starter_records, 6, hparams=FAST, validating=validating) == 0
    told = capsys.readouterr().out
    assert "best: loss 0.5 at step 2, of which the checkpoint was no longer there to be kept" in told


def test_patience_ends_a_run_and_outlives_a_resume(tmp_path, starter_records, capsys):
    """At a rate of 0 nothing gets better after the first validation."""
    standing = f"{TINY_HPARAMS},learning_rate=1e-30,min_learning_rate=1e-30"
    validating = options.Validating(every_steps=1, patience=2, num_batches=1)
    train_tiny(NAME, tmp_path, starter_records, 2, 1, standing, validating=validating)
    capsys.readouterr()
    assert train_tiny(NAME, tmp_path, starter_records, 9, 1, standing, validating=validating) == 0
    assert "no better loss than that of step 1 in 2 validations: training ends here" in capsys.readouterr().out
    assert [row["step"] for row in validations(tmp_path)] == [1, 2, 3]
    assert train_tiny(NAME, tmp_path, starter_records, 9, 1, standing, validating=validating) == 0
    assert checkpoint_files.step_of(checkpoints.newest(tmp_path / "train")) == 3


def test_records_beside_the_training_are_found_in_a_folder_called_like_a_pattern(tmp_path, starter_records):
    records = tmp_path / "records [1]"
    shutil.copytree(starter_records, records)
    assert train_tiny(NAME, tmp_path / "run [2]", records, 1, validating=options.Validating(every_steps=1)) == 0
    assert [row["step"] for row in validations(tmp_path / "run [2]")] == [1]


@pytest.mark.parametrize(
    ("asked", "error", "message"),
    [
        (options.Validating(1, best_metric="teacher_forced_accuracy"), ValueError, "accepted: loss, r_loss, hits_loss"),
        (options.Validating(1, "no.tfrecord"), FileNotFoundError, "no file matches"),
        (options.Validating(1), FileNotFoundError, "--eval_every_steps=1: nothing to validate on, there is no "),
    ],
)
def test_what_cannot_be_validated_is_refused_before_work_starts(tmp_path, starter_records, asked, error, message):
    records = tmp_path / "records"
    records.mkdir()
    for name in ("train", "validation") if asked.best_metric != "loss" else ("train",):
        shutil.copy(starter_records / f"{name}.tfrecord", records)
    with pytest.raises(error, match=message):
        train_tiny(NAME, tmp_path / "run", records, 1, validating=asked)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("windows", "given", "expected"),
    [(3, [], ["--eval_every_steps=500"]), (0, [], []), (3, ["--eval_every_steps", "7"], ["--eval_every_steps=7"])],
)
def test_run_train_validates_where_there_is_something_to_validate_on(tmp_path, monkeypatch, windows, given, expected):
    def convert(*_):
        (tmp_path / "report.json").write_text(json.dumps({"splits": {"validation": {"windows": windows}}}))
        return tmp_path

    stages = []
    monkeypatch.setattr(workflow, "convert", convert)
    monkeypatch.setattr(workflow.stages, "run", lambda *flow: stages.extend(flow))
    monkeypatch.setattr(workflow, "_check_flags", lambda *_: None)
    workflow.train(given)
    assert [flag for flag in stages[0] if "eval_every_steps" in flag] == expected
    assert not any("eval_every_steps" in flag for stage in stages[1:] for flag in stage)
