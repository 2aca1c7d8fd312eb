"""Places in latent space: on great circles, whose ends are reached exactly."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.generation import latent


def vectors(n: int, size: int = 256, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal([n, size], np.float32)


def test_both_ends_are_reached_to_the_last_digit():
    for start, end in zip(vectors(20), vectors(20, seed=2), strict=True):
        way = latent.way(start, end, 5)
        np.testing.assert_array_equal(way[0], start)
        np.testing.assert_array_equal(way[-1], end)
        np.testing.assert_array_equal(latent.slerp(start, end, 0), start)
        np.testing.assert_array_equal(latent.slerp(start, end, 1.0), end)


def test_the_way_is_a_circle_in_equal_steps():
    start, end = np.array([3.0, 0]), np.array([0, 3.0])
    angles = np.deg2rad([0, 22.5, 45, 67.5, 90])
    np.testing.assert_allclose(
        latent.way(start, end, 5), 3 * np.stack([np.cos(angles), np.sin(angles)], axis=1), atol=1e-12
    )


@pytest.mark.parametrize("end", [[2.0, 4], [1.0, 2], [-1.0, -2]])
def test_between_parallel_vectors_the_way_is_a_line(end):
    start = np.array([1.0, 2])
    np.testing.assert_allclose(latent.slerp(start, np.array(end), 0.25), 0.75 * start + 0.25 * np.array(end))


def test_a_plane_has_its_corners_and_ways_between_them():
    corners = vectors(4)
    plane = latent.plane(corners, 5)
    assert plane.shape == (5, 5, 256)
    for row, column, corner in ((0, 0, 0), (0, -1, 1), (-1, 0, 2), (-1, -1, 3)):
        np.testing.assert_array_equal(plane[row, column], corners[corner])
    np.testing.assert_allclose(plane[:, 0], latent.way(corners[0], corners[2], 5), atol=1e-6)
    np.testing.assert_allclose(plane[0], latent.way(corners[0], corners[1], 5), atol=1e-6)
    assert latent.plane(corners, 2).shape == (2, 2, 256)


def test_sections_of_a_letter_lie_near_each_other_and_the_first_is_its_theme():
    themes, others = vectors(2), vectors(5, seed=2)
    z = latent.along("ABABA", themes, others)
    np.testing.assert_array_equal(z[0], themes[0])
    np.testing.assert_array_equal(z[1], themes[1])
    for number, theme in ((2, 0), (3, 1), (4, 0)):
        np.testing.assert_array_equal(z[number], latent.slerp(themes[theme], others[number], latent.REPEAT_DISTANCE))
        to_theme, to_other = (np.linalg.norm(z[number] - themes[each]) for each in (theme, 1 - theme))
        assert 0 < to_theme < to_other / 3
    assert np.abs(z[2] - z[4]).max() > 0


def test_letters_take_their_themes_in_the_order_in_which_they_come():
    themes = vectors(3)
    z = latent.along("CAB", themes, vectors(3, seed=2))
    np.testing.assert_array_equal(z, themes)


@pytest.mark.parametrize(
    ("form", "ends"),
    [("A", [1]), ("AABA", [0, 1, 1, 1]), ("AB", [1, 1]), ("AAAA", [0, 0, 0, 1]), ("ABBC", [1, 0, 1, 1])],
)
def test_a_phrase_ends_before_another_letter_and_at_the_end(form, ends):
    assert latent.ends_a_phrase(form).astype(int).tolist() == ends
