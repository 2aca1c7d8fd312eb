"""The table of a benchmark: medians of each contender, and how many times better ours are than Magenta's."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

from benchmarks.contenders import MAGENTA

TITLE_WIDTH, VALUE_WIDTH, RATIO_WIDTH = 30, 28, 8
R = TypeVar("R")  # What was measured of a contender: `Result` of a training.


@dataclasses.dataclass(frozen=True)
class Run:
    """What one training took.

    Attributes:
        examples_per_sec: A batch divided by the median step.
        first_step_secs: From the command to the end of its first step.
        peak_mib: The most memory that the process held.
        loss: Of the last step's batch.
    """

    examples_per_sec: float
    first_step_secs: float
    peak_mib: float
    loss: float


@dataclasses.dataclass
class Result:
    """What was measured of a contender; the counts are None where nothing was counted."""

    runs: list[Run] = dataclasses.field(default_factory=list)
    operations: int | None = None
    gpu_operations: int | None = None
    graph_nodes: int | None = None


@dataclasses.dataclass(frozen=True)
class Row(Generic[R]):
    """A line of the table: what it shows of a result, in which format, and whether more of it is better."""

    title: str
    values: Callable[[R], Sequence[float | None]]
    form: str
    more_is_better: bool | None = None  # None has no ratio.


ROWS = (
    Row("examples a second", lambda result: [run.examples_per_sec for run in result.runs], ".1f", True),
    Row("command to first step (s)", lambda result: [run.first_step_secs for run in result.runs], ".2f", False),
    Row("largest memory (MiB)", lambda result: [run.peak_mib for run in result.runs], ".0f", False),
    Row("loss of the last step", lambda result: [run.loss for run in result.runs], ".2f"),
    Row("operations a step", lambda result: [result.operations], ",.0f", False),
    Row("operations a step, GPU's path", lambda result: [result.gpu_operations], ",.0f", False),
    Row("operations in the graph", lambda result: [result.graph_nodes], ",.0f", False),
)


def ratio(theirs: float, ours: float, more_is_better: bool) -> float:
    """Returns how many times better ours is; below 1 it is worse."""
    return ours / theirs if more_is_better else theirs / ours


def table(results: Mapping[str, R], rows: Sequence[Row[R]] = ROWS) -> list[str]:
    """Returns the table's lines: a column for each contender by name, ratios behind those that are not Magenta."""
    lines = [" " * TITLE_WIDTH + "".join(_cell(name, name, "better") for name in results)]
    for row in rows:
        measured = {name: [v for v in row.values(result) if v is not None] for name, result in results.items()}
        if any(measured.values()):
            cells = (_cell(name, spread(v, row.form), _ratio(row, measured, name)) for name, v in measured.items())
            lines.append(f"{row.title:<{TITLE_WIDTH}}{''.join(cells)}".rstrip())
    return lines


def _cell(name: str, text: str, ratio_text: str) -> str:
    return f"{text:>{VALUE_WIDTH}}" + ("" if name == MAGENTA else f"{ratio_text:>{RATIO_WIDTH}}")


def _ratio(row: Row, measured: Mapping[str, Sequence[float]], name: str) -> str:
    theirs, ours = measured.get(MAGENTA), measured[name]
    if row.more_is_better is None or not theirs or not ours:
        return ""
    return f"{ratio(statistics.median(theirs), statistics.median(ours), row.more_is_better):.2f}"


def spread(values: Sequence[float], form: str) -> str:
    """Writes the median; of several values also the least and the most."""
    if not values:
        return "-"
    median = f"{statistics.median(values):{form}}"
    return median if len(values) == 1 else f"{median} ({min(values):{form}} to {max(values):{form}})"
