"""Baselines from the command line's point of view: a table, and a JSON with each baseline's metrics."""

import json
import subprocess
import sys

import pytest


def run(*flags):
    return subprocess.run(
        [sys.executable, "-m", "pipelines.baselines", *map(str, flags)], capture_output=True, text=True
    )


@pytest.mark.parametrize(
    ("name", "names", "metric"),
    [
        ("hier-drums_4bar_small", ["commonest_token", "silence", "nearest_window"], "sampled_accuracy_mean"),
        ("groovae_4bar", ["quantized", "linear", "mlp", "knn20"], "timing_mae_ms"),
    ],
)
def test_baselines_of_the_starter_set(starter_records, tmp_path, name, names, metric):
    paths = (f"--{flag}={starter_records / f'{split}.tfrecord'}" for flag, split in FLAGS)
    done = run(f"--config={name}", *paths, f"--output={tmp_path / 'new' / 'baselines.json'}")
    assert done.returncode == 0, done.stderr
    written = json.loads((tmp_path / "new" / "baselines.json").read_text())
    assert list(written["baselines"]) == names
    assert written["config"] == name
    for found in written["baselines"].values():
        assert found[f"{metric}_low"] <= found[metric] <= found[f"{metric}_high"]
        assert f"{metric}_per_performance" in found
    assert done.stdout.startswith(f"{name}: {written['num_examples']} examples of {written['num_performances']} perf")
    assert ("told the hits" in done.stdout) == (name == "groovae_4bar")
    (line,) = (line.split() for line in done.stdout.splitlines() if line.split()[0] == metric)
    assert line[1] == f"{written['baselines'][names[0]][metric]:.4f}"


FLAGS = (("train_path", "train"), ("examples_path", "validation"))


def test_a_folder_is_no_output(tmp_path):
    done = run("--config=groovae_4bar", "--train_path=a", "--examples_path=b", f"--output={tmp_path}")
    assert done.returncode == 1
    assert "is a folder; --output takes a file" in done.stderr
    assert "Traceback" not in done.stderr
