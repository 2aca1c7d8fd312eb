"""The picture of what several GPUs would bring: examples a second against their number, between two bounds."""

from __future__ import annotations

import os
from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmarks.scaling_model import Bounds

EVENLY = ", by a ring all-reduce"
WIDTH_INCHES, HEIGHT_INCHES, DPI = 11, 4.6, 120


def draw(shared: Mapping[str, Bounds], grown: Mapping[str, Bounds], batch_size: int, path: str | os.PathLike) -> None:
    """Draws the bounds of each way to join GPUs, by its label, as a PNG.

    Args:
        shared: With one batch of `batch_size` examples shared out.
        grown: With so many examples on each GPU.
        batch_size: Examples.
        path: Of the PNG.
    """
    figure = Figure(figsize=(WIDTH_INCHES, HEIGHT_INCHES), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 2)
    panels = ((shared, False, f"{batch_size} examples, shared out"), (grown, True, f"{batch_size} examples a GPU"))
    for axis, (curves, grows, title) in zip(axes, panels, strict=True):
        for label, found in curves.items():
            _plot(axis, label, found, batch_size, grows)
        _plot_ideal(axis, next(iter(curves.values())), batch_size)
        axis.set_title(title, fontsize=10, loc="left")
        axis.set_xlabel("GPUs")
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("examples a second")
    axes[0].set_ylim(top=_fastest(shared, batch_size) * 2)
    axes[0].legend(fontsize=8, loc="lower left")
    figure.savefig(path, format="png")


def _plot(axis: Axes, label: str, found: Bounds, batch_size: int, grows: bool) -> None:
    numbers = [each.num_devices for each in found.most]
    ends = [
        [batch_size * (each.num_devices if grows else 1) / each.secs for each in taken]
        for taken in (found.least, found.most)
    ]
    (line,) = axis.plot(numbers, ends[1], marker="o", markersize=3, linewidth=1.2, linestyle=_style(label), label=label)
    axis.fill_between(numbers, *ends, color=line.get_color(), alpha=0.12, linewidth=0)
    axis.set_xscale("log", base=2)
    axis.set_yscale("log")
    axis.set_xticks(numbers, [str(number) for number in numbers])


def _plot_ideal(axis: Axes, found: Bounds, batch_size: int) -> None:
    alone = batch_size / found.most[0].secs
    numbers = [each.num_devices for each in found.most]
    axis.plot(numbers, [alone * number for number in numbers], color="gray", linewidth=1, linestyle=":", label="ideal")


def _style(label: str) -> str:
    return "--" if label.endswith(EVENLY) else "-"


def label(wires: str, evenly: bool) -> str:
    """Returns a curve's label; those of all-reduces are dashed."""
    return f"{wires}{EVENLY if evenly else ''}"


def _fastest(curves: Mapping[str, Bounds], batch_size: int) -> float:
    return max(batch_size / each.secs for found in curves.values() for each in found.most)
