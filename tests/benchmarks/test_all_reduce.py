"""The command that measures how devices add up gradients."""

import subprocess
import sys

import pytest


def run(*flags: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "benchmarks.all_reduce", *flags]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_it_says_what_each_way_takes():
    done = run("--num_cpu_devices=2")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("ring ") and " ms, copy " in done.stdout and done.stdout.endswith(" ms\n")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "--num_gpus=N or --num_cpu_devices=N, of two at least"),
        (["--num_cpu_devices=1"], "--num_gpus=N or --num_cpu_devices=N, of two at least"),
        (["--num_gpus=64"], "TensorFlow finds 0 GPUs, not 64"),
    ],
)
def test_what_cannot_be_added_up_is_a_line(flags, message, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    done = run(*flags)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"error: {message}\n")
