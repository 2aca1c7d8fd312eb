"""Places in latent space: between vectors, on a plane of four, near one, and along the form of a longer piece."""

from __future__ import annotations

import numpy as np

REPEAT_DISTANCE = 0.1  # How far a section that comes again is from where it was, between the same and another.
MAX_SECTIONS = 256


def slerp(start: np.ndarray, end: np.ndarray, t: float) -> np.ndarray:
    """Returns the point at `t` in [0, 1] on the great circle between two vectors; on the line if they are parallel.

    At 0 and 1 that is `start` and `end` themselves, to the last digit.

    Source: White, "Sampling Generative Networks" (arXiv 1609.04468); Magenta's interpolation.
    """
    if t in (0, 1):
        return end if t else start
    cosine = np.dot(start, end) / (np.linalg.norm(start) * np.linalg.norm(end))
    omega = np.arccos(np.clip(cosine, -1, 1))
    if not np.sin(omega) > 1e-6:
        return (1 - t) * start + t * end
    return (np.sin((1 - t) * omega) * start + np.sin(t * omega) * end) / np.sin(omega)


def way(start: np.ndarray, end: np.ndarray, n: int) -> np.ndarray:
    """Returns `n` vectors `[n, z_size]` on the great circle from one vector to another, both included."""
    return np.stack([slerp(start, end, t) for t in np.linspace(0, 1, n)])


def plane(corners: np.ndarray, size: int) -> np.ndarray:
    """Returns the vectors `[size, size, z_size]` between corners `[4, z_size]`: top left, top right, and below."""
    left, right = way(corners[0], corners[2], size), way(corners[1], corners[3], size)
    return np.stack([way(a, b, size) for a, b in zip(left, right, strict=True)])


def along(form: str, themes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Returns a vector for each section of a form, `[sections, z_size]`.

    The same letter is the same theme; where it comes again it lies a little off, so that nothing is a mere copy.

    Args:
        form: Letters, a section each, as AABA.
        themes: `[letters, z_size]`, a vector for each letter in the order of their first appearance.
        others: `[sections, z_size]`, where a section that comes again goes a little towards.
    """
    letters = list(dict.fromkeys(form))
    return np.stack(
        [
            slerp(themes[letters.index(letter)], others[number], REPEAT_DISTANCE if letter in form[:number] else 0.0)
            for number, letter in enumerate(form)
        ]
    )


def ends_a_phrase(form: str) -> np.ndarray:
    """Returns which sections end with a fill, `[sections]` booleans: the last one, and those before another letter."""
    return np.array([after != letter for letter, after in zip(form, f"{form[1:]} ", strict=True)])
