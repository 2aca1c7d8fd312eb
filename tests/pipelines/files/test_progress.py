"""Progress of long work, on a terminal and elsewhere."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from pipelines.files import progress


def test_all_items_come_through_and_short_work_is_silent(capsys):
    assert list(progress.track(iter("abc"), 3, "letters")) == ["a", "b", "c"]
    assert capsys.readouterr() == ("", "")


def test_long_work_tells_in_plain_lines_where_there_is_no_terminal(capsys, monkeypatch):
    now = iter(range(0, 1000, 6))  # Seconds; a line comes after more than ten.
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(now))
    assert list(progress.track(range(4), 4, "files")) == [0, 1, 2, 3]
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "files: 2 of 4, 0.167 a second, 00:12 left",
        "files: 4 of 4, 0.167 a second, 00:00 left",
    ]


def test_a_terminal_gets_a_bar(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert list(progress.track(range(3), 3, "files")) == [0, 1, 2]
    assert "files" in capsys.readouterr().err


def test_what_goes_wrong_comes_through():
    def broken():
        yield 1
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        list(progress.track(broken(), 2, "items"))


@pytest.fixture
def clock(monkeypatch):
    """A clock that moves when it is told to."""
    clock = SimpleNamespace(secs=0.0)
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock.secs)
    return clock


def test_steps_tell_their_speed_and_the_time_left_without_the_first_one(capsys, clock):
    steps = progress.Steps(100, 1000, batch_size=32)
    clock.secs = 50  # The first step is slow.
    steps.step(101, loss=3.0)
    for step in range(102, 201):
        clock.secs += 0.5
        steps.step(step, loss=2.0)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "step 101 of 1000  loss 3.00"
    assert lines[1] == "step 103 of 1000  loss 2.00  64 examples/s  07:28 left"
    assert len(lines) < 12
    assert all(line.split("  ")[2] == "64 examples/s" for line in lines[1:])


def test_pauses_lengthen_the_time_left_and_not_the_steps(capsys, clock):
    steps = progress.Steps(0, 100, batch_size=32)
    for step in range(1, 51):
        clock.secs += 1
        steps.step(step, loss=2.0)
        if step == 25:
            with steps.pause():
                clock.secs += 49
    steps.note("validation loss 1.50")
    clock.secs += 10
    steps.step(60, loss=2.0)
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == "step 60 of 100  loss 2.00  32 examples/s  01:13 left  validation loss 1.50"


def test_steps_without_an_end_tell_no_time_left(capsys, clock):
    steps = progress.Steps(0, None, batch_size=8)
    for step in (1, 2, 3):
        clock.secs += 2
        steps.step(step, loss=1.0)
    steps.say("a line")
    assert capsys.readouterr().err.splitlines()[-2:] == ["step 2  loss 1.00  4 examples/s", "a line"]


def test_a_step_that_is_told_twice_counts_once(capsys, clock):
    """Workers that train in step can each be told the same one."""
    steps = progress.Steps(0, 2, batch_size=8)
    for step in (0, 0, 1, 1, 2):
        clock.secs += 1
        steps.step(step, loss=1.0)
    assert capsys.readouterr().err.splitlines()[-1] == "step 2 of 2  loss 1.00  4 examples/s  00:00 left"
