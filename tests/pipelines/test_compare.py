"""The comparison of samples with data from the command line's point of view: a table, flat JSON, the same each time."""

import json
import re
import subprocess
import sys

import pytest


def run(*flags):
    return subprocess.run([sys.executable, "-m", "pipelines.compare", *map(str, flags)], capture_output=True, text=True)


def data_of(records):
    return f"--train_path={records / 'train.tfrecord'}", f"--examples_path={records / 'validation.tfrecord'}"


def test_a_run_is_compared_with_its_data(tiny_runs, starter_records, tmp_path):
    run_dir = tiny_runs["groovae_4bar"]
    written = []
    for seed in (1, 1, 2):
        output = tmp_path / "new" / f"{len(written)}.json"
        flags = (f"--run_dir={run_dir}", "--num_samples=20", f"--seed={seed}", f"--output={output}")
        done = run(*flags, *data_of(starter_records))
        assert done.returncode == 0, done.stderr
        assert f"written to {output}" in done.stdout
        written.append(json.loads(output.read_text()))
    assert written[0] == written[1]
    assert written[0]["density_samples"] != written[2]["density_samples"]
    assert written[0]["density_train"] == written[2]["density_train"]
    found = written[0]
    assert (found["config"], found["temperature"], found["seed"]) == ("groovae_4bar", 1.0, 1)
    assert found["checkpoint"] == str(run_dir / "train" / "model.ckpt-2")
    assert (found["num_samples"], found["num_validation"] > 20) == (20, True)
    assert found["overlap_mean"] < found["overlap_mean_train"]  # Two steps of training are not enough.
    assert {"swing_samples", "velocity_mean_kl", "copies_at_0", "nearest_distance_median", "empty_bars"} <= set(found)
    line = re.search(r"^density +(\S+) ", done.stdout, re.MULTILINE)
    assert float(line[1]) == pytest.approx(found["density_validation"], abs=0.0005)


def test_data_can_be_compared_without_a_model(starter_records, tmp_path):
    output = tmp_path / "data.json"
    done = run("--config=hier-drums_4bar_small", f"--output={output}", *data_of(starter_records))
    assert done.returncode == 0, done.stderr
    found = json.loads(output.read_text())
    assert found["overlap_mean_train"] > found["overlap_mean_shuffled"]
    assert not {"checkpoint", "temperature", "num_samples", "overlap_mean", "copies_at_0"} & set(found)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ((), "where is the trained model? give --run_dir, --checkpoint_file or --pretrained"),
        (("--run_dir=a", "--checkpoint_file=b"), "give one of --run_dir, --checkpoint_file and --pretrained"),
        (("--pretrained=hier-drumz",), "unknown --pretrained='hier-drumz'; known, nearest first: hier-drums"),
        (("--config=cat-mel_2bar_big",), "this config's outputs are not the nine drums"),
        (("--config=groovae_4bar",), "none.tfrecord"),
    ],
)
def test_what_does_not_fit_is_told_in_a_line(tmp_path, flags, message):
    done = run(*flags, "--train_path=none.tfrecord", "--examples_path=none.tfrecord", f"--output={tmp_path / 'c.json'}")
    assert done.returncode == 1
    assert re.match(f"error: .*{re.escape(message)}", done.stderr), done.stderr
    assert not (tmp_path / "c.json").exists()


def test_the_output_is_a_file(tmp_path):
    flags = ("--config=groovae_4bar", "--train_path=a", "--examples_path=b", f"--output={tmp_path}")
    assert "is a folder; --output takes a file" in run(*flags).stderr
