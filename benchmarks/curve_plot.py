"""The picture of several curves: each quantity against the step on the left, against time on the right."""

from __future__ import annotations

import os
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmarks import curve
from pipelines.evaluation import registry

SMOOTHED_STEPS = 20
ROW_INCHES, WIDTH_INCHES, DPI = 2.8, 11, 120


def draw(curves: Sequence[curve.Curve], title: str, path: str | os.PathLike[str]) -> None:
    """Draws training loss and the metrics of held-out windows of at least one curve, as a PNG."""
    measured = {name for each in curves for found in each.metrics.values() for name in found}
    shown = [metric for metric in registry.METRICS if metric.is_benchmarked and metric.name in measured]
    num_rows = 1 + len(shown)
    figure = Figure(figsize=(WIDTH_INCHES, ROW_INCHES * num_rows), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(num_rows, 2, sharex="col", sharey="row", squeeze=False)
    for each in curves:
        _plot(axes[0], each, each.log.steps, curve.smooth(each.log.losses, SMOOTHED_STEPS))
        for row, metric in zip(axes[1:], shown, strict=True):
            steps = [step for step, found in each.metrics.items() if metric.name in found]
            _plot(row, each, steps, [each.metrics[step][metric.name] for step in steps], marker="o", markersize=3)
    axes[0][0].set_yscale("log")
    labels = ["training loss (nats)", *(f"held-out {metric.label}" for metric in shown)]
    for row, label in zip(axes, labels, strict=True):
        row[0].set_ylabel(label)
    for axis in axes.flat:
        axis.grid(alpha=0.3)
    for axis, label in zip(axes[-1], ("step", "minutes since the command"), strict=True):
        axis.set_xlabel(label)
    axes[0][0].legend()
    figure.suptitle(title)
    figure.savefig(path, format="png")


def _plot(row: Sequence[Axes], each: curve.Curve, steps: Sequence[int], values: Sequence[float], **style) -> None:
    for axis, x in zip(row, (steps, each.minutes_at(steps)), strict=True):
        axis.plot(x, values, linewidth=1, label=each.name, **style)
