"""A mixture of normal distributions over latent vectors, fitted to those of training windows, to draw samples from.

The prior is one normal distribution; what an encoder makes of real windows fills it unevenly, the more so, the more
bits it uses. Vectors that no window leads to decode to samples that are less like the data. So another density is
fitted afterwards: Ghosh et al., "From Variational to Deterministic Autoencoders" (arXiv 1903.12436), section 4.
"""

from __future__ import annotations

import dataclasses
import io
import os
import pathlib
import warnings

import numpy as np

FILE_NAME = "latents.npz"  # Beside a checkpoint.
CHOICES = PRIOR, MIXTURE = "prior", "mixture"  # What latent vectors can be drawn from.
NUM_COMPONENTS = 32
MIN_VECTORS = 256  # For each component.
_MAX_ITERATIONS = 30  # Of expectation maximization; the likelihood hardly grows any more.


@dataclasses.dataclass(frozen=True)
class Mixture:
    """A mixture of normal distributions.

    Attributes:
        weights: `[k]` float64, how likely each distribution is; their sum is 1.
        means: `[k, z_size]` float32.
        factors: `[k, z_size, z_size]` float32, lower triangles; a covariance is its factor times the factor transposed.
    """

    weights: np.ndarray
    means: np.ndarray
    factors: np.ndarray

    def draw(self, n: int, random: np.random.Generator) -> np.ndarray:
        """Returns `[n, z_size]` float32 latent vectors."""
        chosen = random.choice(len(self.weights), size=n, p=self.weights)
        noise = random.standard_normal([n, self.means.shape[1]], np.float32)
        spread = [self.factors[number] @ vector for number, vector in zip(chosen, noise, strict=True)]
        return self.means[chosen] + np.stack(spread)

    def write(self, path: str | os.PathLike[str]) -> None:
        """Writes it to a file, in float16; the same mixture gives the same bytes."""
        rows, columns = np.tril_indices(self.means.shape[1])
        content = io.BytesIO()
        np.savez_compressed(
            content,
            weights=self.weights,
            means=self.means.astype(np.float16),
            factors=self.factors[:, rows, columns].astype(np.float16),
        )
        pathlib.Path(path).write_bytes(content.getvalue())


def read(path: str | os.PathLike[str], z_size: int) -> Mixture:
    """Reads what `Mixture.write` has written.

    Raises:
        ValueError: the file is damaged, or of latent vectors of another size.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            weights, means, packed = (arrays[name] for name in ("weights", "means", "factors"))
        factors = np.zeros([*means.shape, means.shape[1]], np.float32)
        rows, columns = np.tril_indices(means.shape[1])
        factors[:, rows, columns] = packed
        mixture = Mixture(weights / weights.sum(), means.astype(np.float32), factors)
    except Exception as error:  # NumPy, zipfile and zlib raise more than they say.
        raise ValueError(f"{path}: damaged ({error}); --latents=prior does without it") from error
    if means.shape[1] != z_size:
        raise ValueError(f"{path}: of latent vectors of {means.shape[1]} numbers, not {z_size}; it is another model's")
    return mixture


def fit(means: np.ndarray, stddevs: np.ndarray, seed: int) -> Mixture:
    """Fits a mixture to the posteriors of windows; the same seed gives the same one.

    There are `NUM_COMPONENTS` of them, or fewer where there are few windows.

    Args:
        means: `[n, z_size]`, the posteriors' means.
        stddevs: `[n, z_size]`, their standard deviations.
        seed: Of the vectors that are drawn from the posteriors, and of where the fit begins.
    """
    from sklearn.exceptions import ConvergenceWarning  # Takes a second to import.
    from sklearn.mixture import GaussianMixture

    if len(means) == 1:  # The least that scikit-learn fits are two vectors.
        means, stddevs = np.repeat(means, 2, axis=0), np.repeat(stddevs, 2, axis=0)
    vectors = means + stddevs * np.random.default_rng(seed).standard_normal(means.shape)
    fitted = GaussianMixture(
        max(1, min(NUM_COMPONENTS, len(vectors) // MIN_VECTORS)),
        max_iter=_MAX_ITERATIONS,
        reg_covar=1e-4,
        random_state=seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted.fit(vectors)
    factors = np.linalg.cholesky(fitted.covariances_)
    return Mixture(fitted.weights_, fitted.means_.astype(np.float32), factors.astype(np.float32))
