"""Sweeps: what is told of trainings that differ in their hparams, and one from end to end."""

import json
import re
import subprocess
import sys

import pytest

from benchmarks import sweep, sweep_plot
from tests.tiny import TINY_HPARAMS

PNG_START = b"\x89PNG"


@pytest.fixture
def variants(tmp_path):
    """Two values of an hparam, two seeds of the second one; the last was not judged yet."""
    found = sweep.variants_of(tmp_path, ["free_bits=48"], [1]) + sweep.variants_of(tmp_path, ["free_bits=384"], [1, 2])
    for number, variant in enumerate(found[:2]):
        variant.folder.mkdir()
        metrics = {"config": "hier-drums_4bar_small", "loss": 90.5 - number, "hit_f1": 0.7, "hit_f1_low": 0.6}
        (variant.folder / "evaluation.json").write_text(json.dumps(metrics))
        samples = {"overlap_mean": 0.87, "overlap_mean_train": 0.92, "bar_likeness_samples": 0.4}
        (variant.folder / "comparison.json").write_text(json.dumps(samples))
    return found


def test_the_table_has_a_line_for_each_training(variants):
    assert sweep.table(variants).splitlines() == [
        "| hparams | seed | loss (nats a window) | hit F1 | overlap of samples | likeness of their bars |",
        "| --- | --- | --- | --- | --- | --- |",
        "| `free_bits=48` | 1 | 90.5 | 0.7 | 0.87 | 0.4 |",
        "| `free_bits=384` | 1 | 89.5 | 0.7 | 0.87 | 0.4 |",
        "| `free_bits=384` | 2 |  |  |  |  |",
    ]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (["free_bits=48", "free_bits=96.5"], ("free_bits", [48, 96.5])),
        (["max_beta=1e-3", "max_beta=0"], ("max_beta", [0.001, 0])),
        (["free_bits=48"], None),
        (["free_bits=48", "z_size=64"], None),
        (["free_bits=48", ""], None),
        (["dec_rnn_size=[64]", "dec_rnn_size=[32]"], None),
    ],
)
def test_values_of_one_hparam_are_an_axis(tmp_path, changes, expected):
    assert sweep.swept(sweep.variants_of(tmp_path, changes, [1])) == expected


@pytest.mark.parametrize(
    ("common", "own", "expected"),
    [
        ("free_bits=48,z_size=64", "free_bits=96", "free_bits=96,z_size=64"),
        ("dec_rnn_size=[64,64],z_size=64", "dec_rnn_size=[32]", "dec_rnn_size=[32],z_size=64"),
        ("", "dec_rnn_size=[32,32]", "dec_rnn_size=[32,32]"),
        ("z_size=64", "", "z_size=64"),
    ],
)
def test_what_is_varied_takes_the_place_of_what_all_have(common, own, expected):
    assert sweep.combined(common, own) == expected


def test_the_picture_shows_what_there_is(variants, tmp_path):
    sweep_plot.draw("free_bits", [48, 384, 384], [variant.found() for variant in variants], tmp_path / "sweep.png")
    assert (tmp_path / "sweep.png").read_bytes().startswith(PNG_START)


def run(*flags: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.sweep", *flags], capture_output=True, text=True, check=False
    )


@pytest.mark.thorough
def test_trainings_are_judged_and_not_done_twice(starter_records, tmp_path):
    given = [
        *("--config=hier-drums_4bar_small", f"--hparams={TINY_HPARAMS}", "--num_steps=2", "--num_samples=8"),
        *("--vary=free_bits=8", "--vary=free_bits=64", "--train_flag=--precision=fp32", f"--output_dir={tmp_path}"),
        *(f"--{flag}={starter_records / 'validation.tfrecord'}" for flag in ("examples", "validation")),
    ]
    assert "was given the same value twice" in run(*given, "--seed=1", "--seed=1").stderr
    done = run(*given)
    assert done.returncode == 0, done.stderr
    settings = json.loads((tmp_path / "free_bits=64-seed1" / "config.json").read_text())
    assert (settings["hparams"]["free_bits"], settings["precision"]) == (64, "fp32")
    lines = (tmp_path / "sweep.md").read_text().splitlines()
    assert [re.match(r"\| `(.*?)` \| 1 \| \d+", line)[1] for line in lines[2:]] == ["free_bits=8", "free_bits=64"]
    assert lines[0].endswith("| overlap of samples | likeness of their bars |")
    assert (tmp_path / "sweep.png").read_bytes().startswith(PNG_START)
    again = run(*given)
    assert (again.returncode, again.stdout.count(": train")) == (0, 0), again.stderr
    assert "trained with" in run(*given, "--num_steps=3").stderr


def test_a_training_that_fails_is_named(tmp_path):
    given = ("--examples=none.tfrecord", "--validation=none.tfrecord", f"--output_dir={tmp_path}", "--vary=z_size=4")
    done = run("--config=hier-drums_4bar_small", *given)
    assert done.returncode == 1
    assert re.search(r"error: z_size=4-seed1: train failed with status 1: .*none.tfrecord", done.stderr), done.stderr
