"""Grooves from grooves: parts hidden, taken from another, moved. Nothing is changed in place; arrays may be shared."""

from __future__ import annotations

import dataclasses

import numpy as np

from grooves.groove import Groove

TAP_CLASS = 3  # The open hi-hat, which Magenta's GrooveConverter taps on.

# Drums that can do each other's work: closed hi-hat and ride, open hi-hat and crash, neighbouring toms.
EXCHANGEABLE = ((2, 8), (3, 7), (4, 5), (5, 6))


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


def with_parts_of(groove: Groove, other: Groove, is_theirs: np.ndarray) -> Groove:
    """Returns the groove, at its own tempo, with some of its cells replaced by another groove's, of the same shape.

    `is_theirs` says which, booleans that broadcast to the hits: `[drums]` for some drums, `[n, steps, 1]` for some
    steps of each groove of a batch.
    """
    return _map(lambda ours, theirs: np.where(is_theirs, theirs, ours), groove, other)


def shifted(groove: Groove, num_steps: int | np.ndarray) -> Groove:
    """Returns the groove with every hit `num_steps` later, or earlier where that is negative, as a loop.

    What is moved beyond one end comes in at the other. In a batch `num_steps` may be `[n]`.
    """
    length = groove.hits.shape[-2]
    rows = (np.arange(length) - np.asarray(num_steps)[..., np.newaxis]) % length
    return _map(lambda part: np.take_along_axis(part, _as_index(rows, part)[..., np.newaxis], axis=-2), groove)


def with_exchanged(groove: Groove, pairs: np.ndarray) -> Groove:
    """Returns a batch of grooves in each of which two drums have changed places; `pairs` is `[n, 2]`, their classes."""
    order = np.tile(np.arange(groove.hits.shape[-1]), [len(pairs), 1])
    np.put_along_axis(order, pairs, pairs[:, ::-1], axis=1)
    return _map(lambda part: np.take_along_axis(part, order[:, np.newaxis], axis=-1), groove)


def without_hits(groove: Groove, is_left_out: np.ndarray) -> Groove:
    """Returns the groove without the hits at `is_left_out`, booleans of the shape of its hits."""
    return _map(lambda part: np.where(is_left_out, np.zeros([], part.dtype), part), groove)


def taken(groove: Groove, rows: np.ndarray | int) -> Groove:
    """Returns those grooves of a batch `[n, steps, drums]`, in this order; one, where `rows` is a number."""
    qpm = groove.qpm[rows] if isinstance(groove.qpm, np.ndarray) else groove.qpm
    return dataclasses.replace(_map(lambda part: part[rows], groove), qpm=qpm)


def _map(change, groove: Groove, *others: Groove) -> Groove:
    """Returns the groove whose hits, velocities and offsets are each `change` of those given."""
    changed = {
        part: change(getattr(groove, part), *(getattr(other, part) for other in others))
        for part in ("hits", "velocities", "offsets")
    }
    return dataclasses.replace(groove, **changed)


def _as_index(rows: np.ndarray, part: np.ndarray) -> np.ndarray:
    """Returns `[…, steps]` indices that fit a part `[…, steps, drums]`."""
    return np.broadcast_to(rows, part.shape[:-1])
