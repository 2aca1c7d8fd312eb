"""`run_dir/metrics.jsonl`: what was measured while a run was trained, one JSON object a line.

    {"split": "train", "step": 10, "secs": 8.4, "loss": 221.7, "kl_bits": 31.2, …}
    {"split": "validation", "step": 500, "secs": 401.5, "loss": 143.6, "teacher_forced_accuracy": 0.41, …}

`secs` counts the time spent on the run, over all the times it was continued. A run that goes on from a checkpoint
forgets the lines after it, so that a log is always one curve.
"""

from __future__ import annotations

import errno
import json
import math
import os
import pathlib

from pipelines.files import atomic

LOG_NAME = "metrics.jsonl"
TRAIN, VALIDATION = "train", "validation"
_SIGNIFICANT_DIGITS = 7  # Of a float32.


def read(run_dir: pathlib.Path) -> list[dict]:
    """Returns the rows of a run, in their order; what a killed process left of its last line is passed over."""
    try:
        text = (run_dir / LOG_NAME).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return []
    return [row for row in map(_parse, text.splitlines()) if row is not None]


def validations(rows: list[dict]) -> list[dict]:
    """Returns the rows of validations."""
    return [row for row in rows if row["split"] == VALIDATION]


class MetricsLog:
    """The log of a run that is being trained.

    Attributes:
        rows: All of them, from the run's beginning.
    """

    def __init__(self, run_dir: pathlib.Path, last_step: int) -> None:
        """Opens the log of a run that goes on after `last_step`; later rows are cut off.

        Raises:
            OSError: it cannot be written.
        """
        self._path = run_dir / LOG_NAME
        self.rows = [row for row in read(run_dir) if row["step"] <= last_step]
        text = "".join(map(_line, self.rows))
        if self._path.exists() and self._path.read_bytes() != text.encode():
            atomic.write_text(self._path, text)
        self._file = self._path.open("ab", buffering=0)

    def append(self, split: str, step: int, secs: float, values: dict[str, float]) -> None:
        """Adds a row; what is no finite number is kept as null.

        Raises:
            OSError: the row could not be written, as on a full disk; no half of it stays.
        """
        row = {"split": split, "step": step, "secs": round(secs, 3)}
        row |= {name: _rounded(value) for name, value in values.items()}
        size = self._file.seek(0, os.SEEK_END)
        line = _line(row).encode()
        try:
            if self._file.write(line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            self._file.truncate(size)
            raise OSError(error.errno, error.strerror, str(self._path)) from error
        self.rows.append(row)

    def close(self) -> None:
        self._file.close()


def _parse(line: str) -> dict | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    is_row = isinstance(row, dict) and isinstance(row.get("step"), int) and "split" in row and "secs" in row
    return row if is_row else None


def _line(row: dict) -> str:
    return json.dumps(row) + "\n"


def _rounded(value: float) -> float | None:
    return float(f"{value:.{_SIGNIFICANT_DIGITS}g}") if math.isfinite(value) else None
