"""Metrics with what chance does to them: over all windows, as the mean over performances, with 95 % intervals.

Windows of one performance are not independent: they overlap, and one drummer plays one beat in all of them. So
performances are what is drawn again, with replacement, for the intervals (Efron & Tibshirani 1993, "An Introduction to
the Bootstrap", chapters 8 and 13: percentiles of the bootstrap, of data in clusters).
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable

import numpy as np

from pipelines.evaluation import metrics

NUM_DRAWS = 2000
SEED = 1
PERCENTILES = (2.5, 97.5)


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A metric of some examples.

    Attributes:
        value: Over all windows, in which long performances weigh most.
        interval: Its 95 % interval; None where there is one performance alone.
        per_performance: The mean of the performances' own values, those left out that have none; None where it means
            nothing of one performance.
        per_performance_interval: Likewise.
    """

    value: float
    interval: tuple[float, float] | None = None
    per_performance: float | None = None
    per_performance_interval: tuple[float, float] | None = None

    def flat(self, name: str) -> dict[str, float]:
        """Returns it by the names that it has in JSON: `NAME`, `NAME_low`, `NAME_high`, `NAME_per_performance`, …"""
        found = {name: self.value}
        found |= _limits(name, self.interval)
        if self.per_performance is not None:
            mean_name = f"{name}_per_performance"
            found |= {mean_name: self.per_performance} | _limits(mean_name, self.per_performance_interval)
        return found


def estimate(outputs: metrics.Outputs) -> dict[str, Estimate]:
    """Returns all metrics that are defined of some outputs, by name, in the registry's order."""
    _, which = np.unique(outputs.performance, return_inverse=True)
    found = {}
    for name, formula in metrics.FORMULAS.items():
        statistics = formula.statistics(outputs)
        if statistics is not None and not np.isnan(formula.value(statistics.sum(axis=0))):
            found[name] = _estimate(formula, _sums_of_groups(statistics, which))
    return found


def flat(estimates: dict[str, Estimate]) -> dict[str, float]:
    """Returns estimates as one flat dictionary, as `Estimate.flat` names them."""
    return {key: value for name, found in estimates.items() for key, value in found.flat(name).items()}


def rows(estimates: dict[str, Estimate]) -> Iterable[tuple[str, ...]]:
    """Yields the lines of a table: its head, then name, value, interval, mean over performances, its interval."""
    yield "", "all windows", "95 % interval", "mean over performances", "95 % interval"
    for name, found in estimates.items():
        mean = "" if found.per_performance is None else f"{found.per_performance:.4f}"
        yield name, f"{found.value:.4f}", _span(found.interval), mean, _span(found.per_performance_interval)


def compared(found: dict[str, dict[str, Estimate]]) -> Iterable[tuple[str, ...]]:
    """Yields the lines of a table of several: a line for each metric, for each of them all windows | performances."""
    yield "", *found
    for name in metrics.FORMULAS:
        cells = [_cell(estimates_of.get(name)) for estimates_of in found.values()]
        if any(cells):
            yield name, *cells


def _cell(found: Estimate | None) -> str:
    if found is None:
        return ""
    return f"{found.value:.4f} | " + ("-" if found.per_performance is None else f"{found.per_performance:.4f}")


def _estimate(formula: metrics.Formula, sums: np.ndarray) -> Estimate:
    """Returns the estimate of a metric from the sums of each performance, `[performances, k]`."""
    weights = _draws(len(sums))
    value = float(formula.value(sums.sum(axis=0)))
    interval = _interval(formula.value(weights @ sums))
    if not formula.is_of_performances:
        return Estimate(value, interval)
    values = formula.value(sums)
    defined = ~np.isnan(values)
    of_defined = np.stack([np.where(defined, values, 0), defined], axis=1).astype(np.float64)
    mean = metrics.ratio(of_defined.sum(axis=0))
    if np.isnan(mean):
        return Estimate(value, interval)
    return Estimate(value, interval, float(mean), _interval(metrics.ratio(weights @ of_defined)))


@functools.lru_cache(maxsize=4)
def _draws(num_performances: int) -> np.ndarray:
    """Returns how often each draw has each performance, `[draws, performances]`; no draws of one alone."""
    num_draws = NUM_DRAWS if num_performances > 1 else 0
    shares = np.full(num_performances, 1 / num_performances)
    return np.random.default_rng(SEED).multinomial(num_performances, shares, size=num_draws).astype(np.float64)


def _sums_of_groups(values: np.ndarray, which: np.ndarray) -> np.ndarray:
    """Returns the sums `[groups, k]` of values `[n, k]` by group `[n]`."""
    order = np.argsort(which, kind="stable")
    _, starts = np.unique(which[order], return_index=True)
    return np.add.reduceat(values[order], starts, axis=0)


def _interval(values: np.ndarray) -> tuple[float, float] | None:
    """Returns the interval of the draws `[draws]` that are defined; None without any."""
    defined = values[~np.isnan(values)]
    return tuple(np.percentile(defined, PERCENTILES).tolist()) if len(defined) else None


def _limits(name: str, interval: tuple[float, float] | None) -> dict[str, float]:
    return {} if interval is None else {f"{name}_low": interval[0], f"{name}_high": interval[1]}


def _span(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f"{interval[0]:.4f} to {interval[1]:.4f}"
