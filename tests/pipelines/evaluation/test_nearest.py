"""The nearest grooves are those that a look at every pair finds."""

import numpy as np
import pytest

from grooves.groove import Groove
from pipelines.evaluation import nearest


def grooves(seed: int, n: int, share: float = 0.1) -> np.ndarray:
    return np.random.default_rng(seed).random([n, 16, 9]) < share


def distances(hits: np.ndarray, among: np.ndarray) -> np.ndarray:
    """Returns all `[n, m]` distances, pair by pair."""
    return np.array([[np.sum(one != other) for other in among] for one in hits])


@pytest.mark.parametrize("dtype", [bool, np.float32])
def test_the_nearest_of_every_groove(dtype):
    hits, among = grooves(1, 20), grooves(2, 50)
    every = distances(hits, among)
    rows, found = nearest.nearest(hits.astype(dtype), among.astype(dtype))
    np.testing.assert_array_equal(rows, every.argmin(axis=1))
    np.testing.assert_array_equal(found, every.min(axis=1))


def test_the_k_nearest_come_in_order_and_ties_in_the_order_of_rows():
    hits, among = grooves(1, 20), np.concatenate([grooves(2, 30, 0.02)] * 2)  # Everything twice.
    every = distances(hits, among)
    rows, found = nearest.nearest_k(hits, among, 5)
    np.testing.assert_array_equal(rows, np.argsort(every, axis=1, kind="stable")[:, :5])
    np.testing.assert_array_equal(found, np.take_along_axis(every, rows, axis=1))


def test_chunks_change_nothing(monkeypatch):
    hits, among = grooves(1, 20), grooves(2, 50)
    whole = nearest.nearest_k(hits, among, 3)
    monkeypatch.setattr(nearest, "CHUNK_BYTES", 4 * 50 * 7)  # Seven at a time.
    for part, expected in zip(nearest.nearest_k(hits, among, 3), whole, strict=True):
        np.testing.assert_array_equal(part, expected)


def test_a_copy_is_at_distance_0_and_a_hit_more_at_1():
    among = grooves(2, 50)
    hits = among[[17, 17]]
    hits[1, 3, 4] ^= True
    rows, found = nearest.nearest(hits, among)
    assert (rows.tolist(), found.tolist()) == ([17, 17], [0, 1])


def test_no_grooves_have_no_nearest():
    rows, found = nearest.nearest(grooves(1, 0), grooves(2, 3))
    assert (rows.shape, found.shape) == ((0,), (0,))


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ValueError, match=r"\(16, 9\) cells have no distance to grooves of \(16, 8\)"):
        nearest.nearest(grooves(1, 2), grooves(2, 2)[..., :8])
    with pytest.raises(ValueError, match="the 1 nearest of 0 grooves were asked for"):
        nearest.nearest(grooves(1, 2), grooves(2, 0))
    with pytest.raises(ValueError, match="the 4 nearest of 3 grooves were asked for; there are 1 to 3"):
        nearest.nearest_k(grooves(1, 2), grooves(2, 3), 4)


def played(seed: int, n: int) -> Groove:
    random = np.random.default_rng(seed)
    hits = grooves(seed, n, 0.2).astype(np.float64)
    return Groove(hits, hits * random.uniform(0.1, 1, hits.shape), hits * random.uniform(-1, 1, hits.shape))


def test_a_groove_is_played_as_the_mean_of_its_neighbours_that_have_the_hit():
    among, hits = played(1, 40), grooves(2, 5, 0.2).astype(np.float64)
    answer = nearest.mean_of_neighbours(among, hits, 7)
    np.testing.assert_array_equal(answer.hits, hits)
    means = nearest.means_of_drums(among)
    for number, step, drum in np.argwhere(hits):
        rows = np.argsort(distances(hits[[number]], among.hits)[0], kind="stable")[:7]
        having = [row for row in rows if among.hits[row, step, drum]]
        for part, mean, got in zip(
            (among.velocities, among.offsets), means, (answer.velocities, answer.offsets), strict=True
        ):
            expected = np.mean([part[row, step, drum] for row in having]) if having else mean[drum]
            assert got[number, step, drum] == pytest.approx(expected)
    for part in (answer.velocities, answer.offsets):
        assert not part[hits == 0].any()


def test_of_few_grooves_all_are_neighbours():
    among, hits = played(1, 3), grooves(2, 2).astype(np.float64)
    twenty, three = (nearest.mean_of_neighbours(among, hits, k) for k in (20, 3))
    np.testing.assert_array_equal(twenty.join(), three.join())


def test_a_groove_that_is_there_is_its_own_neighbour():
    among = played(1, 30)
    answer = nearest.mean_of_neighbours(among, among.hits, 1)
    np.testing.assert_allclose(answer.join(), among.join())


def test_a_drum_that_nobody_hits_is_not_silent():
    """It is played as loud as all drums are on average, or a cowbell that the data lack would vanish."""
    among = played(1, 30)
    among.hits[..., 5] = among.velocities[..., 5] = among.offsets[..., 5] = 0
    hits = np.zeros([1, 16, 9])
    hits[0, 3, 5] = 1
    answer = nearest.mean_of_neighbours(among, hits, 20)
    for part, got in ((among.velocities, answer.velocities), (among.offsets, answer.offsets)):
        assert got[0, 3, 5] == pytest.approx(part.sum() / among.hits.sum())
    silent = nearest.means_of_drums(Groove(*np.zeros([3, 2, 16, 9])))
    assert not np.any(silent)
