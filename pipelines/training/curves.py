"""`run_dir/curves.png`: loss, KL and accuracy against the step, in training and validation, as a run goes on."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pipelines.evaluation import registry
from pipelines.evaluation.registry import Metric
from pipelines.files import atomic
from pipelines.runs import metrics_log

FILE_NAME = "curves.png"
MAX_POINTS = 1000  # Of a curve; more would not be seen.
WIDTH, HEIGHT, DOTS_PER_INCH = 11.0, 3.2, 100
_INK, _GRID, _TRAIN, _VALIDATION, _BEST = "#454a52", "#e3e5e8", "#9aa7b8", "#c8501e", "#1f6f54"


def draw(rows: Sequence[dict], path: str | os.PathLike[str], best: dict | None = None) -> None:
    """Draws the rows of a `metrics_log` as a PNG, which is replaced as a whole, with the row `best` marked.

    Raises:
        OSError: it cannot be written.
    """
    panels = [metric for metric in (_choose(rows, choices) for choices in registry.panels()) if metric]
    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DOTS_PER_INCH, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    for axes, metric in zip(np.ravel(figure.subplots(1, max(1, len(panels)))), panels, strict=False):
        _draw_panel(axes, rows, metric, best)
    with atomic.replacing(path) as partial:
        figure.savefig(partial, format="png")


def _choose(rows: Sequence[dict], choices: Sequence[Metric]) -> Metric | None:
    """Returns the first metric that the run has measured."""
    return next((metric for metric in choices if any(row.get(metric.name) is not None for row in rows)), None)


def _draw_panel(axes: Axes, rows: Sequence[dict], metric: Metric, best: dict | None) -> None:
    axes.set_title(metric.label, fontsize=10, color=_INK, loc="left")
    axes.set_xlabel("step", fontsize=8, color=_INK)
    axes.tick_params(labelsize=8, colors=_INK, length=0)
    axes.grid(color=_GRID, linewidth=0.7)
    axes.spines[:].set_visible(False)
    shown = []
    for split, color, width in ((metrics_log.TRAIN, _TRAIN, 1.0), (metrics_log.VALIDATION, _VALIDATION, 1.6)):
        steps, values = _series(rows, split, metric.name)
        if len(steps):
            marker = "o" if len(steps) == 1 else None
            axes.plot(steps, values, color=color, linewidth=width, marker=marker, markersize=3, label=split)
            shown.append(values)
    if best is not None and best.get(metric.name) is not None:
        label = f"best, step {best['step']}"
        axes.plot(best["step"], best[metric.name], "o", color=_BEST, markersize=5, label=label, zorder=3)
    if shown:
        axes.set_ylim(*_limits(np.concatenate(shown)))
        axes.legend(fontsize=8, frameon=False, labelcolor=_INK)


def _series(rows: Sequence[dict], split: str, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns steps and values, averaged over neighbours where there are too many."""
    points = [(row["step"], row[name]) for row in rows if row["split"] == split and row.get(name) is not None]
    points = np.array(points, np.float64).reshape(-1, 2)
    if len(points) > MAX_POINTS:
        points = np.array([part.mean(axis=0) for part in np.array_split(points, MAX_POINTS)])
    return points[:, 0], points[:, 1]


def _limits(values: np.ndarray) -> tuple[float, float]:
    """Returns the range to show: all but a few outliers, with a margin."""
    low, high = np.quantile(values, [0, 0.99])
    high = max(high, values[-1])
    margin = 0.06 * (high - low) or 0.05 * abs(high) or 1.0
    return low - margin, high + margin
