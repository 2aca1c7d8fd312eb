"""The layout of a groove: tensors split and joined, notes laid on the grid."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from grooves.groove import Groove


@pytest.mark.parametrize("shape", [(64, 27), (5, 64, 27), (4, 6)])
def test_split_and_join(shape):
    steps = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    drums = shape[-1] // 3
    split = Groove.split(steps, qpm=90)
    np.testing.assert_array_equal(split.hits, steps[..., :drums])
    np.testing.assert_array_equal(split.velocities, steps[..., drums : 2 * drums])
    np.testing.assert_array_equal(split.offsets, steps[..., 2 * drums :])
    assert split.qpm == 90
    assert all(np.shares_memory(part, steps) for part in (split.hits, split.velocities, split.offsets))
    assert split.join().tobytes() == steps.tobytes()
    assert split.join().dtype == np.float32


def test_a_groove_stays_as_it_is():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Groove.split(np.zeros([64, 27])).qpm = 90


def test_of_notes_in_one_cell_the_loudest_stays_and_of_equals_the_first():
    laid = Groove.from_notes(
        steps=np.array([0, 3, 3, 3, 1, 1]),
        drums=np.array([8, 2, 2, 2, 0, 0]),
        velocities=np.array([0.5, 0.25, 0.75, 0.5, 1, 1]),
        offsets=np.array([0, 0.1, -0.2, 0.3, 0.4, -0.5]),
        num_steps=4,
        qpm=77,
    )
    hits, velocities, offsets = np.zeros([3, 4, 9])
    hits[[0, 1, 3], [8, 0, 2]] = 1
    velocities[[0, 1, 3], [8, 0, 2]] = 0.5, 1, 0.75
    offsets[[0, 1, 3], [8, 0, 2]] = 0, 0.4, -0.2
    np.testing.assert_array_equal(laid.hits, hits)
    np.testing.assert_array_equal(laid.velocities, velocities)
    np.testing.assert_array_equal(laid.offsets, offsets)
    assert laid.qpm == 77


def test_no_notes_are_silence():
    nothing = np.zeros([0])
    silent = Groove.from_notes(nothing.astype(int), nothing.astype(int), nothing, nothing, num_steps=16)
    assert silent.join().shape == (16, 27) and not silent.join().any()
