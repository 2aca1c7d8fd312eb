"""metrics.jsonl: rows as they come, one curve after a resume, and whole lines on a full disk."""

import errno
import json

import pytest

from pipelines.runs import metrics_log
from pipelines.runs.metrics_log import TRAIN, VALIDATION, MetricsLog
from tests import disks


@pytest.fixture
def log_path(tmp_path):
    log = MetricsLog(tmp_path, 0)
    log.append(TRAIN, 1, 0.5, {"loss": 3.14159265})
    log.append(TRAIN, 10, 2.0, {"loss": 2.0, "global_norm": float("inf")})
    log.append(VALIDATION, 10, 2.5, {"loss": 2.5})
    log.append(TRAIN, 20, 4.0, {"loss": 1.0})
    log.close()
    return tmp_path / metrics_log.LOG_NAME


def test_a_row_is_a_line_of_json(log_path):
    lines = [json.loads(line) for line in log_path.read_text().splitlines()]
    assert lines == [
        {"split": "train", "step": 1, "secs": 0.5, "loss": 3.141593},
        {"split": "train", "step": 10, "secs": 2.0, "loss": 2.0, "global_norm": None},
        {"split": "validation", "step": 10, "secs": 2.5, "loss": 2.5},
        {"split": "train", "step": 20, "secs": 4.0, "loss": 1.0},
    ]
    assert metrics_log.read(log_path.parent) == lines


def test_rows_after_the_checkpoint_are_cut_off(log_path):
    log = MetricsLog(log_path.parent, 10)
    log.append(TRAIN, 15, 3.0, {"loss": 1.5})
    assert [row["step"] for row in log.rows] == [1, 10, 10, 15]
    assert metrics_log.read(log_path.parent) == log.rows


@pytest.mark.parametrize("left", ['{"split": "train", "st', '{"split": "train", "step": 30}\n', "[1]\n", "\x00\x00\n"])
def test_what_a_killed_process_left_is_no_row(log_path, left):
    before = metrics_log.read(log_path.parent)
    with log_path.open("a") as file:
        file.write(left)
    assert metrics_log.read(log_path.parent) == before
    log = MetricsLog(log_path.parent, 20)
    log.append(TRAIN, 30, 5.0, {})
    assert [row["step"] for row in metrics_log.read(log_path.parent)] == [1, 10, 10, 20, 30]


def test_a_log_that_goes_on_is_not_written_anew(log_path):
    before = log_path.stat().st_ino
    MetricsLog(log_path.parent, 20)
    assert log_path.stat().st_ino == before


def test_there_are_no_rows_before_the_first(tmp_path):
    assert metrics_log.read(tmp_path) == []


def test_a_full_disk_leaves_whole_lines(tmp_path):
    with disks.small(tmp_path / "disk", kib=64) as folder:
        log = MetricsLog(folder, 0)
        with pytest.raises(OSError, match=metrics_log.LOG_NAME) as caught:
            for step in range(10_000):
                log.append(TRAIN, step, 0.0, {"loss": 1.0})
        log.close()
        assert caught.value.errno == errno.ENOSPC
        text = (folder / metrics_log.LOG_NAME).read_text()
        assert text.endswith("}\n")
        assert len(text.splitlines()) == len(log.rows) > 100
