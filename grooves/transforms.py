"""Grooves from grooves: parts hidden, taken from another, moved. Nothing is changed in place; arrays may be shared."""

from __future__ import annotations

import dataclasses

import numpy as np

from grooves.groove import Groove

TAP_CLASS = 3  # The open hi-hat, which Magenta's GrooveConverter taps on.


def only_hits(groove: Groove) -> Groove:
    """Returns the hits without velocities and offsets: what is left of a groove that is written down."""
    return dataclasses.replace(
        groove, velocities=np.zeros_like(groove.velocities), offsets=np.zeros_like(groove.offsets)
    )


def with_fixed_velocities(groove: Groove, velocity: float = 0.0) -> Groove:
    """Returns the groove with one velocity for all hits; 0 is what Magenta's models see of a tapped groove."""
    return dataclasses.replace(groove, velocities=groove.hits * velocity)


def tapped(groove: Groove, drum: int = TAP_CLASS) -> Groove:
    """Returns the loudest drum of each step, with its velocity and offset, all on one drum."""
    loudest = groove.velocities.argmax(axis=-1, keepdims=True)

    def tap(part: np.ndarray) -> np.ndarray:
        line = np.zeros_like(part)
        line[..., [drum]] = np.take_along_axis(part, loudest, axis=-1)
        return line

    return _map(tap, groove)


def with_voices_of(groove: Groove, other: Groove, is_theirs: np.ndarray) -> Groove:
    """Returns the groove, at its own tempo, with some of its drums replaced by another groove's, of the same shape.

    `is_theirs` says which, `[drums]` booleans; in a batch also `[n, 1, drums]`.
    """
    return _map(lambda ours, theirs: np.where(is_theirs, theirs, ours), groove, other)


def shifted(groove: Groove, num_steps: int) -> Groove:
    """Returns the groove with every hit `num_steps` later, or earlier where that is negative, as a loop.

    What is moved beyond one end comes in at the other.
    """
    return _map(lambda part: np.roll(part, num_steps, axis=-2), groove)


def _map(change, groove: Groove, *others: Groove) -> Groove:
    """Returns the groove whose hits, velocities and offsets are each `change` of those given."""
    changed = {
        part: change(getattr(groove, part), *(getattr(other, part) for other in others))
        for part in ("hits", "velocities", "offsets")
    }
    return dataclasses.replace(groove, **changed)
