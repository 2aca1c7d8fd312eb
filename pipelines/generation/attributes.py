"""Attributes of grooves as directions in latent space: more or less of one, or towards a style.

A direction is what latent vectors of training windows have in common with an attribute, all others held the same: the
coefficients of a linear regression of the vectors on the attributes. Attribute vectors as in the MusicVAE paper (arXiv
1803.05428, section 5.3) are differences of means; the regression takes from them what comes of other attributes, as
dense grooves are louder, too.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Mapping

import numpy as np

FILE_NAME = "attributes.npz"  # Beside a checkpoint.
MIN_WINDOWS = 50  # Of a style that gets a direction.
RIDGE = 1e-3  # Of the share of the variance; keeps attributes apart that hardly differ.


@dataclasses.dataclass(frozen=True, eq=False)
class Attributes:
    """Directions of attributes and styles.

    Attributes:
        names: Of the attributes.
        directions: `[attributes, z_size]` float32: what one standard deviation more of each adds to a latent vector.
        means: `[attributes]` float64, over the training windows.
        deviations: `[attributes]` float64, likewise.
        styles: The names of the styles.
        style_means: `[styles, z_size]` float32, the mean latent vector of each.
        mean: `[z_size]` float32, of all windows.
        style_qpms: `[styles]` float64, the median tempo of each, in quarters a minute.
    """

    names: tuple[str, ...]
    directions: np.ndarray
    means: np.ndarray
    deviations: np.ndarray
    styles: tuple[str, ...]
    style_means: np.ndarray
    mean: np.ndarray
    style_qpms: np.ndarray

    def move(self, z: np.ndarray, name: str, by: float) -> np.ndarray:
        """Returns latent vectors `[n, z_size]` with more of an attribute, or nearer to a style.

        Args:
            z: The vectors.
            name: One of `names` or `styles`.
            by: Of an attribute, standard deviations; of a style, 1 is what all of its windows differ by on average.

        Raises:
            ValueError: there is no such attribute or style; names those that there are.
        """
        if name in self.names:
            return z + np.float32(by) * self.directions[self.names.index(name)]
        if name in self.styles:
            return z + np.float32(by) * (self.style_means[self.styles.index(name)] - self.mean)
        raise ValueError(
            f"unknown --attribute={name}; attributes are {', '.join(self.names)}, and styles {', '.join(self.styles)}"
        )

    def style_of(self, z: np.ndarray) -> str:
        """Returns the style whose mean lies nearest to latent vectors `[n, z_size]`, on average; empty without any."""
        return self.styles[int(np.argmin(self._distances(z).mean(axis=0)))] if self.styles else ""

    def styles_of(self, z: np.ndarray) -> np.ndarray:
        """Returns the style whose mean lies nearest to each latent vector, `[n]`."""
        return np.array(self.styles)[self._distances(z).argmin(axis=1)]

    def _distances(self, z: np.ndarray) -> np.ndarray:
        """Returns the squared distance of each latent vector to each style's mean, `[n, styles]`."""
        return np.square(z[:, np.newaxis] - self.style_means).sum(axis=-1)

    def qpm_of(self, style: str) -> float:
        """Returns the median tempo of a style, quarters a minute."""
        return float(self.style_qpms[self.styles.index(style)])

    def write(self, path: str | os.PathLike[str]) -> None:
        """Writes them to a file; the same attributes give the same bytes."""
        arrays = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        packed = {
            name: value.astype(np.float16) if name in ("directions", "style_means", "mean") else np.array(value)
            for name, value in arrays.items()
        }
        with pathlib.Path(path).open("wb") as file:
            np.savez_compressed(file, **packed)


def read(folder: pathlib.Path, z_size: int) -> Attributes | None:
    """Reads what `Attributes.write` has put beside a checkpoint; None where there is nothing.

    Raises:
        ValueError: the file is damaged, or of latent vectors of another size.
    """
    path = folder / FILE_NAME
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as arrays:
            values = {field.name: arrays[field.name] for field in dataclasses.fields(Attributes)}
        for name in ("names", "styles"):
            values[name] = tuple(str(value) for value in values[name])
        for name in ("directions", "style_means", "mean"):
            values[name] = values[name].astype(np.float32)
        _check_shapes(values)
    except Exception as error:  # NumPy, zipfile and zlib raise more than they say.
        raise ValueError(f"{path}: damaged ({error}); generation works without it: delete it") from error
    if len(values["mean"]) != z_size:
        raise ValueError(f"{path}: of latent vectors of {len(values['mean'])} numbers, not {z_size}; another model's")
    return Attributes(**values)


def _check_shapes(values: Mapping[str, np.ndarray | tuple[str, ...]]) -> None:
    (z_size,), attributes, styles = values["mean"].shape, len(values["names"]), len(values["styles"])
    expected = {"directions": (attributes, z_size), "means": (attributes,), "deviations": (attributes,)}
    expected |= {"style_means": (styles, z_size), "style_qpms": (styles,)}
    for name, shape in expected.items():
        if values[name].shape != shape:
            raise ValueError(f"{name} are {values[name].shape}, not {shape}")


def fit(z: np.ndarray, labels: Mapping[str, np.ndarray], styles: np.ndarray, qpms: np.ndarray) -> Attributes:
    """Finds the directions.

    Args:
        z: `[n, z_size]`, the posteriors' means of training windows.
        labels: `[n]` of each attribute by name, NaN where it is not known.
        styles: `[n]` strings, empty where it is not known.
        qpms: `[n]`, quarters a minute.
    """
    names = tuple(labels)
    values = np.stack([labels[name] for name in names], axis=1)
    means, deviations = np.nanmean(values, axis=0), np.nanstd(values, axis=0)
    scaled = np.nan_to_num((values - means) / np.maximum(deviations, 1e-9))
    centre = z.mean(axis=0)
    covariance = scaled.T @ scaled / len(z) + RIDGE * np.eye(len(names))
    directions = np.linalg.solve(covariance, scaled.T @ (z - centre) / len(z))
    found = [style for style in sorted(set(styles) - {""}) if (styles == style).sum() >= MIN_WINDOWS]
    return Attributes(
        names,
        directions.astype(np.float32),
        means,
        deviations,
        tuple(found),
        np.array([z[styles == style].mean(axis=0) for style in found], np.float32).reshape(-1, z.shape[1]),
        centre.astype(np.float32),
        np.array([np.median(qpms[styles == style]) for style in found]),
    )
