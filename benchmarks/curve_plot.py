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
    """Draws training loss and the metrics of held-out windows, as a PNG.

    Args:
        curves: At least one.
        title: Above all.
        path: Where to.
    """
    measured = {name for each in curves for found in each.metrics.values() for name in found}
    shown = [metric for metric in registry.METRICS if metric.is_benchmarked and metric.name in measured]
    num_rows = 1 + len(shown)
    figure = Figure(figsize=(WIDTH_INCHES, ROW_INCHES * num_rows), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(num_rows, 2, sharex="col", sharey="row", squeeze=False)
    for each in curves:
        _draw_training_loss(axes[0], each)
        for row, metric in zip(axes[1:], shown, strict=True):
            _draw_metric(row, each, metric.name)
    for row, label in zip(
        axes, ["training loss (nats)", *(f"held-out {metric.label}" for metric in shown)], strict=True
    ):
        row[0].set_ylabel(label)
        for axis in row:
            axis.grid(alpha=0.3)
    for axis, label in zip(axes[-1], ("step", "minutes since the command"), strict=True):
        axis.set_xlabel(label)
    axes[0][0].legend()
    figure.suptitle(title)
    figure.savefig(path, format="png")


def _draw_training_loss(row: Sequence[Axes], each: curve.Curve) -> None:
    losses = curve.smooth(each.log.losses, SMOOTHED_STEPS)
    for axis, x in zip(row, (each.log.steps, each.minutes_at(each.log.steps)), strict=True):
        axis.plot(x, losses, linewidth=1, label=each.name)
        axis.set_yscale("log")


def _draw_metric(row: Sequence[Axes], each: curve.Curve, name: str) -> None:
    steps = [step for step, found in each.metrics.items() if name in found]
    values = [each.metrics[step][name] for step in steps]
    for axis, x in zip(row, (steps, each.minutes_at(steps)), strict=True):
        axis.plot(x, values, marker="o", markersize=3, linewidth=1, label=each.name)
