"""The picture of a sweep: what is reconstructed, and what samples are like, against the values of one hparam."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pipelines.evaluation import registry

RECONSTRUCTED = ("teacher_forced_accuracy", "sampled_accuracy", "sampled_accuracy_mean", "step_accuracy", "hit_f1")
# What samples are set beside: by the metric of samples, its label, and the same of training windows.
SAMPLED = {
    "overlap_mean": ("overlap of descriptors", "overlap_mean_train"),
    "bar_likeness_samples": ("likeness of bars", "bar_likeness_train"),
}
WIDTH_INCHES, HEIGHT_INCHES, DPI = 10, 3.6, 120
LOG_FROM = 8.0  # The largest value is so many times the smallest: then the axis is logarithmic.


def draw(
    name: str, values: Sequence[float], found: Sequence[Mapping[str, float]], path: str | os.PathLike[str]
) -> None:
    """Draws the metrics `found` with each of the `values` of the hparam `name`, as a PNG."""
    figure = Figure(figsize=(WIDTH_INCHES, HEIGHT_INCHES), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    for metric in RECONSTRUCTED:
        _plot(left, values, found, metric, registry.BY_NAME[metric].label)
    left.set_title("held-out windows, reconstructed", fontsize=10, loc="left")
    for metric, (label, of_training) in SAMPLED.items():
        color = _plot(right, values, found, metric, label)
        ceiling = [metrics[of_training] for metrics in found if of_training in metrics]
        if color and ceiling:
            right.axhline(ceiling[0], color=color, linewidth=1, linestyle=":", label=f"{label}: training windows")
    right.set_title("samples from the prior, beside the data", fontsize=10, loc="left")
    for axes in (left, right):
        if min(values) > 0 and max(values) / min(values) >= LOG_FROM:
            axes.set_xscale("log", base=2)
            axes.set_xticks(sorted(set(values)), [f"{value:g}" for value in sorted(set(values))])
        axes.set_xlabel(name)
        axes.grid(alpha=0.3)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=8)
    figure.savefig(path, format="png")


def _plot(axes: Axes, values: Sequence[float], found: Sequence[Mapping[str, float]], metric: str, label: str) -> str:
    """Draws a metric with its interval where it has one; returns its color, empty where there is nothing of it."""
    pairs = zip(values, found, strict=True)
    points = sorted(((x, metrics) for x, metrics in pairs if metric in metrics), key=lambda point: point[0])
    if not points:
        return ""
    xs, ys = [x for x, _ in points], [metrics[metric] for _, metrics in points]
    (line,) = axes.plot(xs, ys, marker="o", markersize=4, linewidth=1.2, label=label)
    ends = [[metrics.get(f"{metric}{end}", metrics[metric]) for _, metrics in points] for end in ("_low", "_high")]
    axes.fill_between(xs, *ends, color=line.get_color(), alpha=0.1, linewidth=0)
    return line.get_color()
