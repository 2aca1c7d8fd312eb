"""The command: directions of a run are kept beside its checkpoint, measured, and used by generation."""

import json
import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def attributes(*flags: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "pipelines.attributes", *flags]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_a_run_gets_directions_that_generation_goes_along(tiny_runs, starter_records, tmp_path):
    run_dir, output = tmp_path / "groovae", tmp_path / "found.json"
    shutil.copytree(tiny_runs["groovae_4bar"], run_dir)
    paths = [f"--{name}={starter_records / 'train.tfrecord'}" for name in ("train_path", "examples_path")]
    done = attributes(f"--run_dir={run_dir}", *paths, f"--output={output}", f"--cache_dir={tmp_path / 'kept'}")
    assert done.returncode == 0, done.stderr
    assert (run_dir / "train" / "attributes.npz").exists()
    assert f"{run_dir / 'train' / 'attributes.npz'}: 5 attributes and" in done.stdout
    figures = json.loads(output.read_text())
    assert figures["config"] == "groovae_4bar" and "density_asked_+1" in figures

    beat = sorted((ROOT / "data" / "starter").rglob("*.mid"))[0]
    flags = ["--mode=attribute", f"--run_dir={run_dir}", f"--input={beat}", "--num_bars=4", "--attribute=density"]
    command = [sys.executable, "-m", "pipelines.generate", *flags, f"--output_dir={tmp_path / 'out'}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    done = subprocess.run([*command, "--attribute=joy"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert "unknown --attribute=joy; attributes are density, syncopation" in done.stderr


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--train_path=x"], "give one of --run_dir, --checkpoint_file and --pretrained"),
        (
            ["--pretrained=groovae", "--train_path=x", "--output=a.json"],
            "--output takes the figures of --examples_path",
        ),
    ],
)
def test_what_is_missing_is_said(flags, message):
    done = attributes(*flags)
    assert done.returncode == 1
    assert message in done.stderr
