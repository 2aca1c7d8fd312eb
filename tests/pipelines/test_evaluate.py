"""Evaluation from the command line's point of view: any checkpoint, the same numbers as --mode=eval, flat JSON."""

import json
import pathlib
import re
import subprocess
import sys

import pytest

from pipelines import train


def run(*flags):
    return subprocess.run(
        [sys.executable, "-m", "pipelines.evaluate", *map(str, flags)], capture_output=True, text=True
    )


def test_it_gives_what_mode_eval_gives(tiny_runs, starter_records, tmp_path, capsys):
    run_dir, records = tiny_runs["groovae_4bar"], starter_records / "validation.tfrecord"
    train.evaluate_run(train.check_run(run_dir, None, "", str(records), None), 2)
    table = capsys.readouterr().out
    output = tmp_path / "new" / "metrics.json"
    shared = (f"--examples_path={records}", f"--output={output}", "--eval_num_batches=2")
    done = run(f"--run_dir={run_dir}", *shared, f"--page_dir={tmp_path / 'page'}")
    assert done.returncode == 0, done.stderr
    printed = done.stdout.replace(str(output), "").replace(str(tmp_path / "page"), "")
    assert printed == table.replace(str(run_dir / "eval" / "metrics.json"), "").replace(str(run_dir / "eval"), "")
    (files,) = (run_dir / "eval").glob("evaluation-*")
    pages = [folder / "evaluation.html" for folder in (run_dir / "eval", tmp_path / "page")]
    assert pages[0].read_text() == pages[1].read_text()
    assert (files / "curves.png").read_bytes() == (run_dir / "curves.png").read_bytes()
    expected = json.loads((run_dir / "eval" / "metrics.json").read_text())
    assert json.loads(output.read_text()) == expected
    assert (expected["config"], expected["global_step"], expected["num_examples"]) == ("groovae_4bar", 2, 8)
    assert [path.name for path in output.parent.iterdir()] == ["metrics.json"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ((), "give one of --run_dir, --checkpoint_file and --pretrained"),
        (("--run_dir=a", "--checkpoint_file=b"), "give one of --run_dir, --checkpoint_file and --pretrained"),
        (("--run_dir=a", "--examples_path=b", "--tfds_name=c"), "--examples_path and --tfds_name were both given"),
        (("--checkpoint_file=b/model.ckpt-1", "--examples_path=b"), "which config?"),
        (("--run_dir=a", "--baselines=b.json"), "--baselines and --comparison are for the page; give --page_dir, too"),
        (("--run_dir=a", "--baselines=README.md", "--page_dir=c"), "README.md: is no JSON of python -m pipelines.bas"),
    ],
)
def test_what_does_not_fit_is_told_in_a_line(tmp_path, flags, message):
    done = run(*flags, f"--output={tmp_path / 'metrics.json'}")
    assert done.returncode == 1
    assert re.match(f"error: .*{re.escape(message)}", done.stderr), done.stderr
    assert not (tmp_path / "metrics.json").exists()


def test_the_output_is_a_file(tmp_path):
    assert "is a folder; --output takes a file" in run("--run_dir=a", f"--output={tmp_path}").stderr


def test_a_checkpoint_finds_its_config(tiny_runs, starter_records, tmp_path):
    prefix = pathlib.Path(tiny_runs["hier-drums_4bar_small"]) / "train" / "model.ckpt-2"
    records = starter_records / "validation.tfrecord"
    done = run(f"--checkpoint_file={prefix}", f"--examples_path={records}", f"--output={tmp_path / 'm.json'}")
    assert done.returncode == 0, done.stderr
    written = json.loads((tmp_path / "m.json").read_text())
    assert (written["config"], written["checkpoint"]) == ("hier-drums_4bar_small", str(prefix))
    assert {"loss", "teacher_forced_accuracy", "hit_f1"} <= set(written)
