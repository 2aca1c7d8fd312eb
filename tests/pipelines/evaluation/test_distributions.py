"""Overlap areas and KL divergences of sets whose likeness is known."""

import numpy as np
import pytest
from scipy import integrate, stats
from scipy.spatial import distance

from pipelines.evaluation import distributions


def normal(seed: int, n: int = 300, mean: float = 0.0, spread: float = 1.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, spread, n)


def test_equal_sets_overlap_wholly():
    alike = distributions.compare(normal(1), normal(1), seed=1)
    assert alike.overlap > 0.99
    assert alike.kl < 0.001


def test_other_draws_of_one_distribution_overlap_nearly_wholly():
    alike = distributions.compare(normal(1), normal(2), seed=1)
    assert alike.overlap > 0.95


def test_sets_far_apart_do_not_overlap():
    alike = distributions.compare(normal(1), normal(2, mean=100), seed=1)
    assert alike.overlap < 0.001
    assert 10 < alike.kl < 24


@pytest.mark.parametrize("spread", [0.0, 0.3, 3.0])
def test_sets_too_uniform_or_too_varied_overlap_less(spread):
    alike = distributions.compare(normal(1), normal(2, spread=spread), seed=1)
    assert alike.overlap < 0.9
    assert alike.kl > 0.05


def test_densities_are_those_of_scipy():
    """The overlap as mgeval computes it: `gaussian_kde`, integrated."""
    target, other = normal(1), normal(2, mean=1.5)
    within = distance.pdist(target[:, np.newaxis])[::50]
    between = distance.cdist(target[:, np.newaxis], other[:9, np.newaxis]).ravel()
    first, second = stats.gaussian_kde(within), stats.gaussian_kde(between)
    grid = np.linspace(-5, 15, 4001)
    expected = integrate.trapezoid(np.minimum(first(grid), second(grid)), grid)
    assert np.minimum(*distributions.densities(within, between)).sum() == pytest.approx(expected, abs=0.002)


def test_the_target_s_own_distances_come_first_in_both_numbers():
    target, other = normal(1)[:, np.newaxis], normal(2, spread=3)[:, np.newaxis]
    within, between = distributions.densities(distance.pdist(target), distance.cdist(target, other).ravel())
    alike = distributions.compare(target[:, 0], other[:, 0], seed=1)
    assert alike.overlap == pytest.approx(np.minimum(within, between).sum())
    assert alike.kl == pytest.approx(np.sum(within * np.log(within / between)))
    assert alike.kl != pytest.approx(np.sum(between * np.log(between / within)), rel=0.1)


def test_what_is_always_the_same_is_no_error():
    same, other = np.full(10, 4.0), np.full(10, 5.0)
    assert distributions.compare(same, same, seed=1) == distributions.Likeness(pytest.approx(1), pytest.approx(0))
    apart = distributions.compare(same, other, seed=1)
    assert apart.overlap < 0.001
    assert np.isfinite(apart.kl)


def test_windows_without_the_descriptor_do_not_count():
    target, gaps = normal(1), np.full(50, np.nan)
    expected = distributions.compare(target, normal(2), seed=1)
    assert distributions.compare(np.append(target, gaps), np.append(gaps, normal(2)), seed=1) == expected
    assert distributions.compare(target, gaps, seed=1) is None
    assert distributions.compare(np.append(target[:1], gaps), target, seed=1) is None


def test_histograms_are_compared_as_vectors():
    first, second = np.eye(16)[np.arange(50) % 2], np.eye(16)[np.arange(50) % 2 + 7]
    assert distributions.compare(first, first, seed=1).overlap > 0.9
    assert distributions.compare(first, second, seed=1).overlap < 0.6  # Half of the pairs in the target are equal.


def test_large_sets_are_thinned_by_the_seed(monkeypatch):
    monkeypatch.setattr(distributions, "MAX_WINDOWS", 100)
    found = [distributions.compare(normal(1), normal(2), seed) for seed in (1, 1, 2)]
    assert found[0] == found[1] != found[2]
    assert found[0].overlap == pytest.approx(1, abs=0.15)
