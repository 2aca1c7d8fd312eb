"""The tables of an evaluation's page: metrics, the same by drum, what baselines reach, samples beside data."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import pathlib
from collections.abc import Mapping, Sequence

from pipelines.evaluation import metrics, registry, samples
from pipelines.evaluation.estimates import Estimate

_DIRECTIONS = {1: "more is better", -1: "less is better", 0: ""}
_WORDS = {  # For those that say most, in this order.
    "sampled_accuracy_mean": "steps decoded right",
    "hit_f1": "hit F1",
    "timing_mae_ms": "timing error",
    "velocity_mae": "velocity error",
    "loss": "loss",
}
NUM_HEADLINES = 4
_SETS = {"samples": "drawn from the prior", "train": "training", "shuffled": "validation, shuffled"}

Cell = tuple[str, str]  # A number, and what stands small below it; empty where there is none.


@dataclasses.dataclass(frozen=True)
class Row:
    name: str
    cells: Sequence[Cell]
    note: str = ""  # A sentence.
    unit: str = ""


@dataclasses.dataclass(frozen=True)
class Table:
    title: str
    heads: Sequence[str]  # Of the columns after the first.
    rows: Sequence[Row]
    text: str = ""  # What to know for reading it.


def headlines(found: Mapping[str, Estimate]) -> list[tuple[str, str, str, str]]:
    """Returns the few metrics that say most: what each is called, its value, its unit, its interval."""
    names = [name for name in _WORDS if name in found][:NUM_HEADLINES]
    return [(_WORDS[n], number(found[n].value), registry.BY_NAME[n].unit, _span(found[n])) for n in names]


def with_unit(name: str, value: float) -> str:
    """Returns a metric's value with its unit."""
    return f"{number(value)} {registry.BY_NAME[name].unit}".strip()


def in_words(name: str) -> str:
    """Returns what pages call a metric."""
    return _WORDS.get(name, name)


def of_metrics(found: Mapping[str, Estimate]) -> Table:
    """Returns the table of all metrics but those of one drum."""
    rows = [
        Row(name, (_cell(estimate), _cell_of_performances(estimate)), metric.says, _unit(metric))
        for name, estimate in found.items()
        if (metric := registry.BY_NAME.get(name))
    ]
    text = (
        "Small below each figure is its 95 % interval: of a bootstrap over performances, as windows of one performance"
        " are alike. Long performances weigh most in the first column, all the same in the second."
    )
    return Table("Metrics", ("all windows", "mean over performances"), rows, text)


def by_drum(found: Mapping[str, Estimate]) -> Table | None:
    """Returns the metrics of each drum over all windows; None where there are none."""
    names = [metric.name for metric in registry.METRICS if metric.is_by_drum]
    rows = [
        Row(drum.replace("_", " "), [_cell(found.get(f"{name}_{drum}")) for name in names])
        for drum in metrics.DRUM_NAMES
    ]
    rows = [row for row in rows if any(value for value, _ in row.cells)]
    heads = [name.replace("_", " ") for name in names]
    return Table("By drum", heads, rows, "Over all windows; metrics.json has the means too.") if rows else None


def of_baselines(facts: Mapping, found: Mapping[str, Estimate], num_examples: int) -> Table:
    """Returns what is reached without a model beside what the model reaches.

    Args:
        facts: Of the JSON of `pipelines.baselines`.
        found: The model's metrics.
        num_examples: That these were measured on.
    """
    baselines = {"this model": {k: v for name, e in found.items() for k, v in e.flat(name).items()}}
    baselines |= facts["baselines"]
    rows = []
    for metric in registry.METRICS:
        if any(metric.name in of for of in facts["baselines"].values()):
            cells = [_flat_cell(of, metric.name) for of in baselines.values()]
            rows.append(Row(metric.name, cells, unit=_unit(metric)))
    text = f"Over all windows; small below is the mean over performances. For the config {facts['config']}"
    text += f" on {facts['num_examples']:,} windows."
    if facts["num_examples"] != num_examples:
        text += f" These are not the {num_examples:,} windows above, and the figures are comparable with care only."
    return Table("What is reached without a model", [name.replace("_", " ") for name in baselines], rows, text)


def of_comparison(facts: Mapping) -> Table:
    """Returns samples beside data, from the JSON of `pipelines.compare`."""
    suffixes = {name: "" if name == samples.SAMPLES else f"_{name}" for name in _SETS}
    sets = [name for name, suffix in suffixes.items() if f"overlap_mean{suffix}" in facts]
    keys = [key.removesuffix("_overlap_train") for key in facts if key.endswith("_overlap_train")]
    rows = []
    for key in keys:
        cells = [_optional(facts, f"{key}_{samples.TARGET}", f"{key}_std_{samples.TARGET}", "± {}")]
        for name in sets:
            cells.append(_optional(facts, f"{key}_{name}", f"{key}_overlap{suffixes[name]}", "overlap {}"))
        rows.append(Row(key.replace("_", " "), cells))
    overlaps = [_optional(facts, f"overlap_mean{suffixes[name]}") for name in sets]
    rows.append(Row("mean overlap", [("", ""), *overlaps]))
    text = (
        "Means over windows. The overlap of each distribution with validation's is from 0 to 1; training's is the"
        " ceiling, that of validation with its hits moved at random the floor."
    )
    if "checkpoint" in facts:
        text += f" Drawn by {facts['checkpoint']} at temperature {facts['temperature']:g}."
    return Table("Samples beside data", ["validation", *(_SETS[name] for name in sets)], rows, text)


def read_baselines(path: str | os.PathLike[str]) -> dict:
    """Reads the JSON of `pipelines.baselines`.

    Raises:
        FileNotFoundError: it is not there.
        ValueError: the file is something else.
    """
    facts = _read(path, "pipelines.baselines", ("config", "num_examples", "baselines"))
    if not isinstance(facts["baselines"], dict) or not all(isinstance(of, dict) for of in facts["baselines"].values()):
        raise _something_else(path, "pipelines.baselines")
    return facts


def read_comparison(path: str | os.PathLike[str]) -> dict:
    """Reads the JSON of `pipelines.compare`; raises as `read_baselines` does."""
    return _read(path, "pipelines.compare", ("config", f"num_{samples.TARGET}", "overlap_mean_train"))


def number(value: float) -> str:
    """Returns a number with three digits after the point, fewer of a large one."""
    if not math.isfinite(value):
        return str(value)
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"


def _read(path: str | os.PathLike[str], command: str, keys: Sequence[str]) -> dict:
    try:
        facts = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise _something_else(path, command) from error
    if not isinstance(facts, dict) or not all(key in facts for key in keys):
        raise _something_else(path, command)
    return facts


def _something_else(path: str | os.PathLike[str], command: str) -> ValueError:
    return ValueError(f"{path}: is no JSON of python -m {command}, which writes it with --output")


def _unit(metric: registry.Metric) -> str:
    return ", ".join(part for part in (metric.unit, _DIRECTIONS[metric.better]) if part)


def _cell(found: Estimate | None) -> Cell:
    return (number(found.value), _span(found)) if found else ("", "")


def _cell_of_performances(found: Estimate) -> Cell:
    if found.per_performance is None:
        return "", ""
    return number(found.per_performance), _span(Estimate(0.0, found.per_performance_interval))


def _flat_cell(flat: Mapping[str, float], name: str) -> Cell:
    return _optional(flat, name, f"{name}_per_performance")


def _optional(flat: Mapping[str, float], name: str, small: str = "", form: str = "{}") -> Cell:
    value, below = flat.get(name), flat.get(small)
    return "" if value is None else number(value), "" if below is None else form.format(number(below))


def _span(found: Estimate) -> str:
    return "" if found.interval is None else " to ".join(map(number, found.interval))
