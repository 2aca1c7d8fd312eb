"""Directions of attributes in latent space: found on labelled windows, and how much of an asked change arrives."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from grooves.groove import Groove
from models.numpy_vae import LIKELIEST, NumpyVae
from pipelines.evaluation import descriptors
from pipelines.generation import attributes, fills
from pipelines.generation.attributes import Attributes

OF_HITS = ("density", "syncopation")
FILL = "fill"
ASKED = (-2.0, -1.0, 1.0, 2.0)  # Standard deviations.
NUM_CALIBRATED, NUM_MEASURED = 256, 512  # Windows that the directions are scaled by, and measured on.
NUM_OF_STYLES = 128  # Of these, for each style.
NUM_SCALINGS = 4
_MIN_SHARE, _MAX_SCALE = 0.1, 3.0  # Of one scaling.


def labels(played: Groove, *, has_feel: bool) -> dict[str, np.ndarray]:
    """Returns the attributes of windows `[n, steps, 9]`, `[n]` by name; NaN where a window has none.

    Density, syncopation and the spread of velocities are as `evaluation.descriptors` defines them, the likeness of a
    window's last bar to a fill as `fills` does. For swing see `lateness`: of the descriptor there is none below 0.
    """
    described = descriptors.describe(played, has_feel=has_feel)
    found = {name: described[name] for name in OF_HITS}
    if has_feel:
        found |= {"swing": lateness(played), "velocity_spread": described["velocity_spread"]}
    return found | {FILL: fills.likeness(played.hits)}


def lateness(played: Groove) -> np.ndarray:
    """Returns how much later hits on the second and fourth sixteenth of a quarter come than the others, `[n]`, steps.

    NaN for windows that have no hits on one of both.
    """
    late = -played.offsets * (played.hits > 0.5) / 2  # An offset of 1 is half a step early.

    def mean(first: int) -> np.ndarray:
        count = (played.hits[:, first::2] > 0.5).sum(axis=(1, 2)).astype(np.float64)
        return late[:, first::2].sum(axis=(1, 2)) / np.where(count, count, np.nan)

    return mean(1) - mean(0)


def find(model: NumpyVae, played: Groove, styles: np.ndarray, qpms: np.ndarray, seed: int = 0) -> Attributes:
    """Finds the directions, each as long as it takes for one standard deviation to arrive.

    Args:
        model: Whose latent space it is.
        played: `[n, steps, 9]`, training windows.
        styles: `[n]` strings, empty where it is not known.
        qpms: `[n]`, quarters a minute.
        seed: Of the windows by which the directions are scaled.
    """
    found = attributes.fit(model.encode(played)[0], labels(played, has_feel=model.knows_feel), styles, qpms)
    rows = _some(len(played.hits), NUM_CALIBRATED, seed)
    z = model.encode(_taken(played, rows))[0]
    for _ in range(NUM_SCALINGS):  # Several, as twice the way is not twice the change.
        shares = np.array([_arrived(model, found, z, name) for name in found.names])
        scales = np.clip(1 / np.maximum(shares, _MIN_SHARE), 1 / _MAX_SCALE, _MAX_SCALE)
        found = dataclasses.replace(found, directions=found.directions * scales[:, np.newaxis].astype(np.float32))
    return found


def measure(model: NumpyVae, found: Attributes, played: Groove, styles: np.ndarray) -> dict[str, float]:
    """Measures on windows that were not trained on how much of an asked change arrives.

    Args:
        model: The model.
        found: Its directions.
        played: `[n, steps, 9]`.
        styles: `[n]` strings, empty where it is not known.

    Returns:
        By name, of each attribute and each of `ASKED`, in standard deviations of the training windows:
        `ATTRIBUTE_asked_BY`, how much more of it there is than in the reconstruction, on average over the windows;
        `ATTRIBUTE_asked_BY_others`, the largest change of another attribute. Of each style
        `style_STYLE`, the share of windows of other styles whose reconstruction is heard as that style, and
        `style_STYLE_asked_1` and `_2`, the share after moving towards it; heard by the model's encoder, which style's
        mean lies nearest.
    """
    rows = _some(len(played.hits), NUM_MEASURED, seed=0)
    z, styles = model.encode(_taken(played, rows))[0], styles[rows]
    before = _describe(model, found, z)
    figures: dict[str, float] = {"num_windows": len(z)}
    for name in found.names:
        own = found.names.index(name)
        for by in ASKED:
            change = np.nanmean(_describe(model, found, found.move(z, name, by)) - before, axis=0)
            figures[f"{name}_asked_{by:+g}"] = float(change[own])
            figures[f"{name}_asked_{by:+g}_others"] = float(np.abs(np.delete(change, own)).max())
    for style in found.styles:
        others = z[styles != style][:NUM_OF_STYLES]
        figures[f"style_{style}"] = _share_heard_as(model, found, others, style)
        for by in (1, 2):
            moved = found.move(others, style, by)
            figures[f"style_{style}_asked_{by}"] = _share_heard_as(model, found, moved, style)
    return figures


def table(figures: Mapping[str, float], found: Attributes) -> str:
    """Returns the figures as a person reads them."""
    lines = [f"{'asked, in deviations':<22}" + "".join(f"{by:>+9g}" for by in ASKED) + f"{'others':>9}"]
    for name in found.names:
        arrived = [figures[f"{name}_asked_{by:+g}"] for by in ASKED]
        others = max(figures[f"{name}_asked_{by:+g}_others"] for by in (-1.0, 1.0))
        lines.append(f"{name:<22}" + "".join(f"{value:>+9.2f}" for value in arrived) + f"{others:>9.2f}")
    lines.append(f"{'style, share heard as':<22}" + "".join(f"{by:>9}" for by in ("0", "+1", "+2")))
    for style in found.styles:
        shares = [figures[f"style_{style}{asked}"] for asked in ("", "_asked_1", "_asked_2")]
        lines.append(f"{style:<22}" + "".join(f"{share:>9.2f}" for share in shares))
    return "\n".join(lines)


def _arrived(model: NumpyVae, found: Attributes, z: np.ndarray, name: str) -> float:
    """Returns how much of an attribute arrives for each standard deviation that is asked, from -1 to 1."""
    own = found.names.index(name)
    less, more = (np.nanmean(_describe(model, found, found.move(z, name, by)), axis=0)[own] for by in (-1, 1))
    return (more - less) / 2


def _describe(model: NumpyVae, found: Attributes, z: np.ndarray) -> np.ndarray:
    """Returns the attributes of what latent vectors decode to, `[n, attributes]`, in standard deviations."""
    described = labels(_decode(model, z), has_feel=model.knows_feel)
    values = np.stack([described[name] for name in found.names], axis=1)
    return (values - found.means) / np.maximum(found.deviations, 1e-9)


def _share_heard_as(model: NumpyVae, found: Attributes, z: np.ndarray, style: str) -> float:
    heard = model.encode(_decode(model, z))[0]
    return float(np.mean(found.styles_of(heard) == style)) if len(z) else float("nan")


def _decode(model: NumpyVae, z: np.ndarray) -> Groove:
    return model.decode(z, LIKELIEST, np.random.default_rng(0))


def _some(n: int, at_most: int, seed: int) -> np.ndarray:
    """Returns the rows of some of n windows, drawn."""
    return np.random.default_rng(seed).permutation(n)[:at_most]


def _taken(played: Groove, rows: np.ndarray) -> Groove:
    return Groove(played.hits[rows], played.velocities[rows], played.offsets[rows])
