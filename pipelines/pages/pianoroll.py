"""A picture of a MIDI file: a row for each drum, a mark for each hit at its true time.

A mark begins where its hit sounds: right of a grid line it is late, across one it is early. Its height and
colour are the velocity. Where two pictures are compared, signs say what differs, by their form and not by colour alone.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import pathlib
import re
import warnings
from collections.abc import Sequence

import matplotlib.collections
import matplotlib.colors
import matplotlib.patheffects
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from grooves import drums, timing
from pipelines.files import atomic, midi_files

with midi_files.importing_libraries():
    import pretty_midi

_CLASS_OF_PITCH = {
    pitch: name for name, pitches in zip(drums.CLASS_NAMES, drums.ROLAND_CLASSES, strict=True) for pitch in pitches
}

# Inches. The margins are fixed, so that a page knows where in the picture a time is.
MARGIN_LEFT, MARGIN_RIGHT, MARGIN_TOP, MARGIN_BOTTOM = 1.05, 0.12, 0.12, 0.34
BAR_WIDTH, MIN_WIDTH, MAX_WIDTH = 2.7, 5.4, 43.2
ROW_HEIGHT = 0.29
DOTS_PER_INCH = 160
MAX_LABELS = 30

MARK_STEPS = 0.5  # A drum's mark is half a sixteenth wide: the length of a hit means nothing.
VELOCITY_COLORS = matplotlib.colors.LinearSegmentedColormap.from_list(
    "velocity", ["#ffdcb0", "#fba65c", "#e2672a", "#a83c12", "#5e2306"]
)
BOX, CROSS = "box", "cross"  # Signs: a frame round a mark or in its place, and a cross over one.
_SIGN_COLOR = "#0b62b8"  # Blue beside orange is told apart with any kind of colour blindness.
# Each sign's shape as matplotlib takes it, and its height in points; a row has 21.
_SIGNS = {BOX: ([(-0.3, -0.5), (0.3, -0.5), (0.3, 0.5), (-0.3, 0.5), (-0.3, -0.5)], 18), CROSS: ("x", 9)}
_INK, _BAR, _BEAT, _STEP, _BAND = "#454a52", "#8b929c", "#cfd3d9", "#e9ebee", "#f6f7f8"


@dataclasses.dataclass(frozen=True)
class Note:
    start_secs: float
    end_secs: float
    pitch: int
    velocity: int  # 1 to 127.
    is_drum: bool


@dataclasses.dataclass(frozen=True)
class Score:
    """What a MIDI file holds. The grids are times; `bar_secs` ends with the end of the last bar."""

    notes: tuple[Note, ...]
    bar_secs: tuple[float, ...]
    beat_secs: tuple[float, ...]
    step_secs: tuple[float, ...]
    qpms: tuple[float, ...]  # Every tempo, in order.

    @property
    def num_bars(self) -> int:
        return len(self.bar_secs) - 1


@dataclasses.dataclass(frozen=True)
class Sign:
    """A sign on a picture, where a hit of this time and row has its mark or would have it."""

    kind: str  # `BOX` or `CROSS`.
    secs: float
    row: str  # A row's label.


def read(midi_path: pathlib.Path, min_bars: int = 1) -> Score:
    """Reads a MIDI file into notes and a grid of whole bars that holds every onset, and at least so many bars.

    Raises:
        ValueError: the file cannot be read.
    """
    with midi_files.reading(midi_path), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Tempo changes outside the first track: read all the same.
        midi = pretty_midi.PrettyMIDI(str(midi_path))
        notes = sorted(
            (
                Note(note.start, note.end, note.pitch, note.velocity, instrument.is_drum)
                for instrument in midi.instruments
                for note in instrument.notes
            ),
            key=lambda note: (note.start_secs, note.pitch),
        )
        last_tick = midi.time_to_tick(notes[-1].start_secs) if notes else 0
        bars, beats, steps = (_times(midi, ticks) for ticks in _grid(midi, last_tick, min_bars))
        qpms = tuple(float(qpm) for qpm in midi.get_tempo_changes()[1])
        return Score(tuple(notes), bars, beats, steps, qpms)


def row_of(note: Note) -> str:
    """Returns the label of a note's row: its drum class, its drum's name where it has none, or its pitch."""
    if not note.is_drum:
        return pretty_midi.note_number_to_name(note.pitch)
    name = _CLASS_OF_PITCH.get(note.pitch) or pretty_midi.note_number_to_drum_name(note.pitch)
    return name.lower() or f"drum {note.pitch}"


def rows(score: Score) -> list[str]:
    """Returns the rows' labels, the lowest first: the drum classes in kit order, other drums, pitches."""
    hits = [note for note in score.notes if note.is_drum]
    others = {note.pitch: row_of(note) for note in hits if note.pitch not in _CLASS_OF_PITCH}
    pitches = [note.pitch for note in score.notes if not note.is_drum]
    labels = list(drums.CLASS_NAMES) if hits or not pitches else []
    labels += [label for _, label in sorted(others.items())]
    if pitches:
        labels += [pretty_midi.note_number_to_name(pitch) for pitch in range(min(pitches), max(pitches) + 1)]
    return labels


def draw(score: Score, png_path: pathlib.Path, signs: Sequence[Sign] = ()) -> tuple[float, float]:
    """Draws a score as a PNG, which appears whole or not at all; needs no display, and keeps no global state.

    Args:
        score: The notes and their grid.
        png_path: The picture.
        signs: Drawn over the notes.

    Returns:
        Where the first bar begins and the last one ends, as fractions of the picture's width. Between them
        time runs evenly, from 0 to `score.bar_secs[-1]`.

    Raises:
        OSError: the picture cannot be written.
    """
    labels = rows(score)
    axes_width = min(max(score.num_bars * BAR_WIDTH, MIN_WIDTH), MAX_WIDTH)
    width = MARGIN_LEFT + axes_width + MARGIN_RIGHT
    axes_height = max(len(labels), 4) * ROW_HEIGHT
    height = MARGIN_BOTTOM + axes_height + MARGIN_TOP
    left, right = MARGIN_LEFT / width, 1 - MARGIN_RIGHT / width
    figure = Figure(figsize=(width, height), dpi=DOTS_PER_INCH, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((left, MARGIN_BOTTOM / height, right - left, axes_height / height))
    _draw_grid(axes, score, labels, inches_per_bar=axes_width / score.num_bars)
    _draw_notes(axes, score, labels)
    _draw_signs(axes, score, labels, signs)
    with atomic.replacing(png_path) as partial:
        figure.savefig(partial, format="png", metadata={"Software": None})
    return left, right


def marks(score: Score, labels: list[str]) -> np.ndarray:
    """Returns the corners of each note's mark, `[notes, 4, 2]`: seconds, and rows from 0 at the bottom."""
    step_secs = _step_secs(score)
    row = {label: index for index, label in enumerate(labels)}
    corners = []
    for note in score.notes:
        y = row[row_of(note)]
        half = 0.12 + 0.3 * note.velocity / 127 if note.is_drum else 0.38
        x0 = note.start_secs
        x1 = x0 + MARK_STEPS * step_secs if note.is_drum else max(note.end_secs, x0 + 0.1 * step_secs)
        corners.append([(x0, y - half), (x0, y + half), (x1, y + half), (x1, y - half)])
    return np.array(corners, dtype=float).reshape(-1, 4, 2)


def _draw_notes(axes: Axes, score: Score, labels: list[str]) -> None:
    velocities = np.array([note.velocity for note in score.notes]) / 127
    collection = matplotlib.collections.PolyCollection(
        marks(score, labels), facecolors=VELOCITY_COLORS(velocities), edgecolors="none", zorder=3
    )
    axes.add_collection(collection, autolim=False)


def _draw_signs(axes: Axes, score: Score, labels: list[str], signs: Sequence[Sign]) -> None:
    halo = [matplotlib.patheffects.withStroke(linewidth=3.2, foreground="white")]  # It parts a sign from its mark.
    for kind, (marker, points) in _SIGNS.items():
        places = [(sign.secs, labels.index(sign.row)) for sign in signs if sign.kind == kind]
        if places:
            x, y = np.transpose(places)
            shape = {"marker": marker, "markersize": points, "markeredgewidth": 1.7, "fillstyle": "none"}
            x = x + MARK_STEPS / 2 * _step_secs(score)
            axes.plot(x, y, linestyle="", color=_SIGN_COLOR, path_effects=halo, clip_on=False, zorder=4, **shape)


def _step_secs(score: Score) -> float:
    return score.bar_secs[-1] / max(len(score.step_secs), 1)


def _draw_grid(axes: Axes, score: Score, labels: list[str], inches_per_bar: float) -> None:
    for y in range(0, len(labels), 2):
        axes.axhspan(y - 0.5, y + 0.5, color=_BAND, linewidth=0, zorder=0)
    for secs, color, width, inches_needed in (
        (score.step_secs, _STEP, 0.7, 1.0),
        (score.beat_secs, _BEAT, 0.8, 0.4),
        (score.bar_secs, _BAR, 1.0, 0.0),
    ):
        if inches_per_bar >= inches_needed:
            axes.vlines(secs, -0.5, len(labels) - 0.5, color=color, linewidth=width, zorder=1)
    axes.set_xlim(0, score.bar_secs[-1])
    axes.set_ylim(-0.5, len(labels) - 0.5)
    every = max(1, round(0.5 / inches_per_bar))  # Bar numbers half an inch apart or more.
    axes.set_xticks(score.bar_secs[:-1:every], [str(bar) for bar in range(1, score.num_bars + 1, every)], ha="left")
    # With many pitches, only the Cs have room for their names.
    shown = [x if len(labels) <= MAX_LABELS or re.fullmatch(r"C-?\d+", x) else "" for x in labels]
    axes.set_yticks(range(len(labels)), shown)
    axes.tick_params(length=0, labelsize=9, labelcolor=_INK, pad=5)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _grid(midi: pretty_midi.PrettyMIDI, last_tick: int, min_bars: int) -> tuple[list[float], list[float], list[float]]:
    """Returns the ticks of bars (one more than there are), beats and sixteenths, to the end of `last_tick`'s bar."""
    changes = [
        (midi.time_to_tick(change.time), change.numerator, change.denominator) for change in midi.time_signature_changes
    ]
    if not changes or changes[0][0] > 0:
        changes.insert(0, (0, 4, 4))
    bars, beats, steps = [], [], []
    for (start, numerator, denominator), (end, *_) in itertools.pairwise([*changes, (math.inf, 0, 0)]):
        beat = midi.resolution * 4 / denominator
        step = midi.resolution / timing.STEPS_PER_QUARTER
        tick = start
        while tick < end and (tick <= last_tick or len(bars) < min_bars):
            bars.append(tick)
            beats += [tick + n * beat for n in range(numerator)]
            steps += [tick + n * step for n in range(round(numerator * beat / step))]
            tick += numerator * beat
    return [*bars, tick], beats, steps


def _times(midi: pretty_midi.PrettyMIDI, ticks: list[float]) -> tuple[float, ...]:
    return tuple(float(midi.tick_to_time(round(tick))) for tick in ticks)
