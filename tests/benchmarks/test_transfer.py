"""Transfer is compared with what drummers went on to play."""

import re
import subprocess
import sys

import numpy as np
import pytest

from benchmarks import transfer
from grooves.groove import Groove
from pipelines.generation import inputs, player
from pipelines.generation.command import STARTER_DIR
from pipelines.runs import pretrained


def test_windows_follow_those_of_their_own_performance():
    cells = np.arange(5.0)[:, np.newaxis, np.newaxis] * np.ones([5, 2, 9])
    pairs = transfer.pairs_of(Groove(cells, cells, cells, qpm=np.arange(5.0)), np.array([0, 0, 1, 2, 2]))
    assert pairs.before.hits[:, 0, 0].tolist() == [0, 3] and pairs.played.hits[:, 0, 0].tolist() == [1, 4]
    assert pairs.played.qpm.tolist() == [1, 4] and pairs.performance.tolist() == [0, 2]


def test_others_are_of_other_performances():
    performance = np.repeat([3, 4, 9], 20)
    rows = transfer.others(performance)
    assert (performance[rows] != performance).all() and len(set(rows)) > 20
    with pytest.raises(ValueError, match="windows of two performances at least"):
        transfer.others(np.array([1, 1]))


@pytest.fixture(scope="module")
def starter_pairs() -> transfer.Pairs:
    """Windows of the starter grooves that are long enough."""
    windows, performance = [], []
    for number, path in enumerate(inputs.files([str(STARTER_DIR)])):
        found = inputs.windows_of([path], 4)
        windows.append(found.join())
        performance += [number] * len(found.hits)
    every = Groove.split(np.concatenate(windows), np.full(len(performance), 100.0))
    return transfer.pairs_of(every, np.array(performance))


def test_a_transfer_comes_nearer_than_humanizing_and_than_anothers_groove(starter_pairs):
    models = (player.load(str(pretrained.locate(name)), None) for name in ("humanize", "groovae"))
    ways = transfer.ways(*models, starter_pairs.before, starter_pairs)
    judged = transfer.judge(ways, starter_pairs)
    for metric in ("velocity_mae", "timing_mae_ms"):
        errors = {name: of_way[metric].value for name, of_way in judged.items()}
        assert errors["its own groove"] < errors["transfer"] < 0.8 * min(errors["humanize"], errors["another's groove"])
    assert judged["flat"]["offset_spread"].value == 0


@pytest.mark.thorough
def test_the_command_prints_a_table(starter_records):
    """Of the starter grooves' two splits, few as they are."""
    program = [sys.executable, "-m", "benchmarks.transfer", f"--train_path={starter_records / 'train.tfrecord'}"]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "--examples_path" in done.stderr and "Traceback" not in done.stderr
    program.append(f"--examples_path={starter_records / 'train.tfrecord'}")
    done = subprocess.run(program, capture_output=True, text=True, check=True)
    assert re.search(r"^  timing_mae_ms( +\d+\.\d+ \| \d+\.\d+){7}$", done.stdout, re.MULTILINE)
