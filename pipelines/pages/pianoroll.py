"""A picture of a MIDI file: a row for each drum, a mark for each hit at its true time.

A mark begins, with its dark edge, where its hit sounds: right of a grid line it is late, across one it is early. Its
height and shade are the velocity. Where two pictures are compared, signs say what differs, by their form and not by
colour alone.
"""

from __future__ import annotations

import dataclasses
import pathlib
import re
from collections.abc import Sequence

import matplotlib.collections
import matplotlib.colors
import matplotlib.patheffects
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pipelines.files import atomic
from pipelines.pages import notes
from pipelines.pages.notes import Score

# Inches. The margins are fixed, so that a page knows where in the picture a time is.
MARGIN_LEFT, MARGIN_RIGHT, MARGIN_TOP, MARGIN_BOTTOM = 1.2, 0.12, 0.1, 0.34
BAR_WIDTH, MIN_WIDTH, MAX_WIDTH = 2.7, 5.4, 43.2
ROW_HEIGHT = 0.29
DOTS_PER_INCH = 160
MAX_LABELS = 30
BEAT_LABELS_NEED = 1.6  # Inches of a bar that has numbers at its beats.

MARK_STEPS = 0.5  # A drum's mark is half a sixteenth wide: the length of a hit means nothing.
BOX, CROSS = "box", "cross"  # Signs: a frame round a mark or in its place, and a cross over one.
# Each sign's shape as matplotlib takes it, and its height in points; a row has 21.
_SIGNS = {BOX: ([(-0.3, -0.5), (0.3, -0.5), (0.3, 0.5), (-0.3, 0.5), (-0.3, -0.5)], 18), CROSS: ("x", 9)}
_SAME_SECS = 1e-3  # Nearer than that to a line is on it.
_BAR_WIDTH_REM, _MAX_WIDTH_REM = 11.5, 184.0


@dataclasses.dataclass(frozen=True)
class Palette:
    """The colours of a picture. Shades run from the softest hit to the loudest, ever further from the background."""

    background: str
    band: str  # Every other row.
    step: str
    beat: str
    bar: str
    ink: str
    soft_ink: str
    sign: str  # Blue beside orange is told apart with any kind of colour blindness.
    shades: tuple[str, ...]
    edge: str

    def shade(self, velocities: np.ndarray) -> np.ndarray:
        """Returns the colour of each velocity in [0, 1], `[n, 4]` RGBA."""
        return matplotlib.colors.LinearSegmentedColormap.from_list("velocity", self.shades)(velocities)


BACKGROUNDS = {
    "light": Palette(
        **{"background": "#ffffff", "band": "#f5f6f7", "step": "#e4e7ea", "beat": "#c3c8cf", "bar": "#7f868f"},
        **{"ink": "#3d424a", "soft_ink": "#757c86", "sign": "#0b62b8", "edge": "#4a1a04"},
        shades=("#ffd9a8", "#fba65c", "#e2672a", "#a83c12", "#571f05"),
    ),
    "dark": Palette(
        **{"background": "#1c1e21", "band": "#24272b", "step": "#2f3338", "beat": "#474d54", "bar": "#8d949d"},
        **{"ink": "#d9d7d3", "soft_ink": "#969ca5", "sign": "#6db3f2", "edge": "#ffe9cf"},
        shades=("#6b3413", "#a04c1c", "#d96f2f", "#fba868", "#ffe3bd"),
    ),
}
LIGHT = "light"


@dataclasses.dataclass(frozen=True)
class Sign:
    """A sign on a picture, where a hit of this time and row has its mark or would have it."""

    kind: str  # `BOX` or `CROSS`.
    secs: float
    row: str  # A row's label.


@dataclasses.dataclass(frozen=True)
class Roll:
    """What a page knows of a picture: from `left` to `right`, fractions of its width, run `secs` evenly."""

    left: float
    right: float
    secs: float
    num_bars: int
    num_beats: int
    aspect: float  # Width by height.
    background: str = LIGHT

    @property
    def width_rem(self) -> float:
        """The picture's width on a page; where there is less room it scrolls and does not shrink."""
        return min(_BAR_WIDTH_REM * self.num_bars, _MAX_WIDTH_REM)


def draw(score: Score, png_path: pathlib.Path, signs: Sequence[Sign] = (), background: str = LIGHT) -> Roll:
    """Draws a score as a PNG, which appears whole or not at all; needs no display, and keeps no global state.

    Args:
        score: The notes and their grid.
        png_path: The picture.
        signs: Drawn over the notes.
        background: A name in BACKGROUNDS.

    Raises:
        OSError: the picture cannot be written.
    """
    palette, labels = BACKGROUNDS[background], notes.rows(score)
    axes_width = min(max(score.num_bars * BAR_WIDTH, MIN_WIDTH), MAX_WIDTH)
    width = MARGIN_LEFT + axes_width + MARGIN_RIGHT
    axes_height = max(len(labels), 4) * ROW_HEIGHT
    height = MARGIN_BOTTOM + axes_height + MARGIN_TOP
    left, right = MARGIN_LEFT / width, 1 - MARGIN_RIGHT / width
    figure = Figure(figsize=(width, height), dpi=DOTS_PER_INCH, facecolor=palette.background)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((left, MARGIN_BOTTOM / height, right - left, axes_height / height))
    axes.set_axis_off()
    axes.set_xlim(0, score.secs)
    axes.set_ylim(-0.5, len(labels) - 0.5)
    inches_per_bar = axes_width / score.num_bars
    _draw_grid(axes, score, len(labels), palette, inches_per_bar)
    _draw_labels(axes, score, labels, palette, inches_per_bar)
    _draw_notes(axes, score, labels, palette)
    _draw_signs(axes, score, labels, signs, palette)
    with atomic.replacing(png_path) as partial:
        figure.savefig(partial, format="png", metadata={"Software": None})
    return Roll(left, right, score.secs, score.num_bars, len(score.beat_secs), width / height, background)


def marks(score: Score, labels: list[str]) -> np.ndarray:
    """Returns the corners of each note's mark, `[notes, 4, 2]`: seconds, and rows from 0 at the bottom."""
    step_secs = _step_secs(score)
    row = {label: index for index, label in enumerate(labels)}
    corners = []
    for note in score.notes:
        y = row[notes.row_of(note)]
        half = 0.12 + 0.3 * note.velocity / 127 if note.is_drum else 0.38
        x0 = note.start_secs
        x1 = x0 + MARK_STEPS * step_secs if note.is_drum else max(note.end_secs, x0 + 0.1 * step_secs)
        corners.append([(x0, y - half), (x0, y + half), (x1, y + half), (x1, y - half)])
    return np.array(corners, dtype=float).reshape(-1, 4, 2)


def beat_names(score: Score) -> list[tuple[float, str]]:
    """Returns the beats within bars, as times and names: 1.2 is the second beat of the first bar."""
    names, bar, beat = [], 0, 0
    for secs in score.beat_secs:
        if bar < score.num_bars and secs >= score.bar_secs[bar]:
            bar, beat = bar + 1, 1
        else:
            beat += 1
            names.append((secs, f"{bar}.{beat}"))
    return names


def _draw_notes(axes: Axes, score: Score, labels: list[str], palette: Palette) -> None:
    """Draws each note's mark, a dark edge at its beginning and, where it lies across the grid, the line under it."""
    corners = marks(score, labels)
    shades = palette.shade(np.array([note.velocity for note in score.notes]) / 127)
    boxes = matplotlib.collections.PolyCollection(corners, facecolors=shades, edgecolors="none", zorder=3)
    edges = matplotlib.collections.LineCollection(corners[:, :2], colors=palette.edge, linewidths=1.1, zorder=5)
    lines = matplotlib.collections.LineCollection(
        _across(score, corners), colors=palette.background, linewidths=0.7, zorder=4
    )
    for collection in (boxes, edges, lines):
        axes.add_collection(collection, autolim=False)


def _across(score: Score, corners: np.ndarray) -> np.ndarray:
    """Returns the grid's lines in marks that begin before them, `[early, 2, 2]`: seconds and rows of both ends."""
    steps = np.array(score.step_secs)
    following = np.searchsorted(steps, corners[:, 0, 0] + _SAME_SECS)
    is_drum = np.array([note.is_drum for note in score.notes], dtype=bool)
    is_early = is_drum & (following < len(steps))
    is_early[is_early] = steps[following[is_early]] < corners[is_early, 2, 0]
    lines = corners[is_early, :2].copy()
    lines[:, :, 0] = steps[following[is_early], np.newaxis]
    return lines


def _draw_signs(axes: Axes, score: Score, labels: list[str], signs: Sequence[Sign], palette: Palette) -> None:
    halo = [matplotlib.patheffects.withStroke(linewidth=3.2, foreground=palette.background)]  # Parts sign and mark.
    for kind, (marker, points) in _SIGNS.items():
        places = [(sign.secs, labels.index(sign.row)) for sign in signs if sign.kind == kind]
        if places:
            x, y = np.transpose(places)
            shape = {"marker": marker, "markersize": points, "markeredgewidth": 1.7, "fillstyle": "none"}
            x = x + MARK_STEPS / 2 * _step_secs(score)
            axes.plot(x, y, linestyle="", color=palette.sign, path_effects=halo, clip_on=False, zorder=6, **shape)


def _step_secs(score: Score) -> float:
    return score.secs / max(len(score.step_secs), 1)


def _draw_grid(axes: Axes, score: Score, num_rows: int, palette: Palette, inches_per_bar: float) -> None:
    """Draws bands behind every other row, and lines where there is room for them."""
    for y in range(0, num_rows, 2):
        axes.axhspan(y - 0.5, y + 0.5, color=palette.band, linewidth=0, zorder=0)
    for secs, color, width, inches_needed in (
        (score.step_secs, palette.step, 0.7, 1.0),
        (score.beat_secs, palette.beat, 0.9, 0.4),
        (score.bar_secs, palette.bar, 1.2, 0.0),
    ):
        if inches_per_bar >= inches_needed:
            axes.vlines(secs, -0.5, num_rows - 0.5, color=color, linewidth=width, zorder=1)


def _draw_labels(axes: Axes, score: Score, labels: list[str], palette: Palette, inches_per_bar: float) -> None:
    """Writes the rows' names on the left and, below, the numbers of bars (3) and of beats in them (3.2)."""
    # With many pitches, only the Cs have room for their names.
    shown = [x if len(labels) <= MAX_LABELS or re.fullmatch(r"C-?\d+", x) else "" for x in labels]
    for y, label in enumerate(shown):
        _write(axes, (0, y), (-6, 0), label, ha="right", va="center", fontsize=10.5, color=palette.ink)
    every = max(1, round(0.5 / inches_per_bar))  # Bar numbers half an inch apart or more.
    place = {"ha": "left", "va": "top"}
    for bar in range(0, score.num_bars, every):
        at = (score.bar_secs[bar], -0.5)
        _write(axes, at, (0, -3.5), str(bar + 1), **place, fontsize=11, fontweight="bold", color=palette.ink)
    if inches_per_bar >= BEAT_LABELS_NEED:
        for secs, name in beat_names(score):
            _write(axes, (secs, -0.5), (0, -4.5), name, **place, fontsize=9, color=palette.soft_ink)


def _write(axes: Axes, xy: tuple[float, float], points: tuple[float, float], text: str, **style: object) -> None:
    axes.annotate(text, xy, points, textcoords="offset points", annotation_clip=False, **style)
