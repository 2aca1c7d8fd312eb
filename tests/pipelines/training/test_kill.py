"""kill -9 at random moments: every restart goes on from a checkpoint at most one saving interval old.

KILLS=30 pytest tests/test_kill.py -s
"""

import json
import os
import pathlib
import random
import re
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from models import checkpoint_files, checkpoints
from models.magenta import tf
from pipelines.runs import metrics_log

KILLS = int(os.environ.get("KILLS", "4"))
INTERVAL_SECS = 0.4
VALIDATED_EVERY_STEPS = 40
# Writing one, on top of the interval, and the step that comes between: the machine may have other work.
TOLERANCE_SECS = 1.0
# Checkpoints of 14 MiB, so that writing one takes a while.
HPARAMS = "batch_size=4,enc_rnn_size=[256],dec_rnn_size=[128,128],z_size=16"


VALIDATION = (f"--eval_every_steps={VALIDATED_EVERY_STEPS}", "--eval_num_batches=1")


class Training:
    """A process that trains, with what it prints."""

    def __init__(self, run_dir, records, num_steps, *flags):
        command = [
            *(sys.executable, "-m", "pipelines.train", "--config=hier-drums_4bar_small", f"--hparams={HPARAMS}"),
            *(f"--run_dir={run_dir}", f"--examples_path={records / 'train.tfrecord'}", f"--num_steps={num_steps}"),
            *("--precision=fp32", f"--save_checkpoints_secs={INTERVAL_SECS}", *flags),
        ]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.is_stepping = threading.Event()
        self.out, self.err = [], []
        self._threads = [
            threading.Thread(target=self._read, args=(self._process.stdout, self.out)),
            threading.Thread(target=self._read, args=(self._process.stderr, self.err)),
        ]
        for thread in self._threads:
            thread.start()

    def kill(self):
        self._process.kill()

    def wait(self):
        self._process.wait()
        for thread in self._threads:
            thread.join()
        return self._process.returncode

    @property
    def first_step(self):
        match = re.search(r"going on from step (\d+)", "".join(self.out))
        return int(match[1]) if match else 0

    def _read(self, stream, lines):
        for line in stream:
            lines.append(line)
            if line.startswith("step "):
                self.is_stepping.set()


def wait_for_half_a_checkpoint(train_dir, timeout_secs):
    """Returns whether one was seen being written."""
    give_up = time.monotonic() + timeout_secs
    while time.monotonic() < give_up:
        if any(".tempstate" in name for name in os.listdir(train_dir)):  # noqa: PTH208  The fastest there is.
            return True
    return False


def variables_of(run_dir):
    reader = tf.train.load_checkpoint(checkpoints.newest(run_dir / "train"))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


@pytest.mark.slow
def test_every_restart_goes_on_and_the_end_is_that_of_a_run_that_was_never_killed(tmp_path, starter_records):
    random_ = random.Random(1)
    run_dir, train_dir = tmp_path / "killed", tmp_path / "killed" / "train"
    reached, halves = 0, 0
    for number in range(KILLS):
        training = Training(run_dir, starter_records, 0, "--seed=3", *VALIDATION)
        kind = number % 3
        if kind == 2:  # At any time, before the first step too.
            time.sleep(random_.uniform(3, 8))
        else:
            assert training.is_stepping.wait(60), training.err
            time.sleep(random_.uniform(0, 2.5))
        saw_half = kind == 0 and wait_for_half_a_checkpoint(train_dir, 5)
        killed_secs = time.time()
        training.kill()
        training.wait()
        assert "Traceback" not in "".join(training.err)
        left = [path.name for path in train_dir.glob("*.tempstate*")] if train_dir.exists() else []
        halves += bool(left)

        newest = checkpoints.newest(train_dir)  # Reads all of it.
        step = checkpoint_files.step_of(newest) if newest else 0
        age_secs = killed_secs - pathlib.Path(f"{newest}.index").stat().st_mtime if newest else 0
        began = f"went on from step {training.first_step}" if training.is_stepping.is_set() else "before its first step"
        how = "while writing" if saw_half else "at random"
        print(f"kill {number + 1} {how}, halves left: {len(left)}; {began}, newest is {step}, {age_secs:.2f} s old")
        assert step >= reached
        if training.is_stepping.is_set():
            assert training.first_step == reached
            is_validating = step % VALIDATED_EVERY_STEPS == 0  # It takes a while, in which no step is lost.
            assert step == reached or is_validating or age_secs <= INTERVAL_SECS + TOLERANCE_SECS
        reached = step
        assert all(isinstance(row["step"], int) for row in metrics_log.read(run_dir))
    assert halves or KILLS < 4, "no kill came while a checkpoint was being written"

    last_step = reached + 3
    for path, flags in ((run_dir, ()), (tmp_path / "whole", ("--seed=3",))):
        training = Training(path, starter_records, last_step, *flags)
        assert training.wait() == 0, training.err
        assert not [each.name for each in path.rglob("*") if "tempstate" in each.name or "partial" in each.name]
        assert json.loads((path / "config.json").read_text())["seed"] == 3
    killed, whole = variables_of(run_dir), variables_of(tmp_path / "whole")
    for name, value in whole.items():
        np.testing.assert_array_equal(killed[name], value, err_msg=name)
    steps = [row["step"] for row in metrics_log.read(run_dir) if row["split"] == "train"]
    assert steps == sorted(set(steps))
    print(f"{last_step} steps: all {len(whole)} variables are those of a run that was never killed")
