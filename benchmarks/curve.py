"""One contender's curve: its training loss step by step, and what its checkpoints reach on held-out windows."""

from __future__ import annotations

import csv
import dataclasses
import io
import itertools
import json
import pathlib
from collections.abc import Iterable, Mapping, Sequence

from benchmarks import step_log
from models import checkpoint_files

EVALUATIONS_NAME = "evaluations.json"


@dataclasses.dataclass(frozen=True)
class Curve:
    """What is drawn of a contender: its steps, and the metrics of its checkpoints by step."""

    name: str
    log: step_log.StepLog
    metrics: dict[int, dict[str, float]]

    def minutes_at(self, steps: Iterable[int]) -> list[float]:
        """Returns when steps were finished, since the command's start."""
        return [self.log.secs[step - 1] / 60 for step in steps]


def read(folder: pathlib.Path) -> Curve:
    """Reads a contender's folder; its evaluations may be still to come."""
    path = folder / EVALUATIONS_NAME
    judged = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    metrics = {int(step): judged[step] for step in sorted(judged, key=int)}
    return Curve(folder.name, step_log.read(folder / "steps.jsonl"), metrics)


def checkpoints(train_dir: pathlib.Path) -> dict[int, str]:
    """Returns the prefixes of all checkpoints of a run by step, without the one before the first step."""
    by_step = {checkpoint_files.step_of(prefix): prefix for prefix in checkpoint_files.all_complete(train_dir)}
    return {step: prefix for step, prefix in by_step.items() if step}


def steps_at_intervals(log: step_log.StepLog, steps: Iterable[int], interval_mins: float) -> list[int]:
    """Returns of `steps` those that were finished nearest to the multiples of the interval, at least one."""
    minutes = {step: log.secs[step - 1] / 60 for step in steps}
    num_intervals = max(1, round(log.secs[-1] / 60 / interval_mins))
    targets = [number * interval_mins for number in range(1, num_intervals + 1)]
    return sorted({min(minutes, key=lambda step: abs(minutes[step] - target)) for target in targets})


def smooth(values: Sequence[float], window: int) -> list[float]:
    """Returns the mean of each value and up to `window - 1` before it."""
    sums = list(itertools.accumulate(values, initial=0.0))
    firsts = (max(0, end - window) for end in range(1, len(sums)))
    return [(sums[end] - sums[first]) / (end - first) for end, first in enumerate(firsts, start=1)]


def rows(curve: Curve) -> list[dict[str, float | str]]:
    """Returns the numbers of each evaluated step; `training_loss` is the mean since the evaluated step before it."""
    lines, before = [], 0
    for step, metrics in curve.metrics.items():
        losses = curve.log.losses[before:step]
        line = {"contender": curve.name, "step": step, "minutes": round(curve.minutes_at([step])[0], 2)}
        line["training_loss"] = sum(losses) / len(losses)
        lines.append(line | {f"heldout_{name}": value for name, value in metrics.items()})
        before = step
    return lines


def as_csv(lines: Sequence[Mapping[str, float | str]]) -> str:
    """Writes rows as CSV; where one lacks another's column, as a metric that is not defined, its cell is empty."""
    text = io.StringIO()
    columns = list(dict.fromkeys(column for line in lines for column in line))
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()
