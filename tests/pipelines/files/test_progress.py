"""Progress of long work, on a terminal and elsewhere."""

from __future__ import annotations

import sys

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
    assert err.splitlines() == ["files: 2 of 4, 0.167 a second, 12 s left", "files: 4 of 4, 0.167 a second, 0 s left"]


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
