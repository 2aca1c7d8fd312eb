"""Which windows a person should look at: the best, the worst, and some between, by what their own metrics are."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterable

import numpy as np

from pipelines.evaluation import metrics, registry

BEST, BETWEEN, WORST = "best", "between", "worst"
NUMBERS = {BEST: 3, BETWEEN: 4, WORST: 3}

# By what windows are ranked, of each kind of outputs; those that are equal in the first by the second.
_SCORES = {registry.TOKENS: ("sampled_accuracy_mean", "hit_f1"), registry.GROOVES: ("hit_f1", "timing_mae_ms")}


@dataclasses.dataclass(frozen=True)
class Ranked:
    """A window that was chosen."""

    row: int  # Which of the examples, counted from 0.
    rank: int  # Among all windows that have a score; 1 is the best.
    group: str  # `BEST`, `BETWEEN` or `WORST`.
    scores: dict[str, float]  # Its metrics by name, first the one by which it is ranked.


def score_names(outputs: metrics.Outputs) -> tuple[str, ...]:
    """Returns the metrics that windows are ranked by, the first one first."""
    return _SCORES[registry.GROOVES if outputs.tokens is None else registry.TOKENS]


def of_windows(outputs: metrics.Outputs, name: str) -> np.ndarray | None:
    """Returns a metric of each window by itself, `[n]`, NaN where it is undefined; None where there is no such one."""
    formula = metrics.FORMULAS[name]
    statistics = formula.statistics(outputs)
    return None if statistics is None else formula.value(statistics)


def order(outputs: metrics.Outputs) -> np.ndarray:
    """Returns the rows of the windows that have a score, the best first; of equal ones in the data's order.

    There are none where nothing was decoded, or where the examples are not the nine drums.
    """
    names = score_names(outputs)
    if outputs.cells is None or of_windows(outputs, names[0]) is None:
        return np.zeros([0], np.int64)
    signed = [registry.BY_NAME[name].better * of_windows(outputs, name) for name in names]
    keys = [np.where(np.isnan(values), np.inf, -values) for values in reversed(signed)]
    return np.lexsort(keys)[: np.count_nonzero(~np.isnan(signed[0]))]


def choose(outputs: metrics.Outputs) -> list[Ranked]:
    """Chooses the best windows, the worst, and some evenly by rank between them; in the order of rank.

    Of a performance there is one at most, unless there are too few performances.
    """
    ranked = order(outputs)
    if not len(ranked):
        return []
    numbers = dict(NUMBERS)
    if len(ranked) < sum(numbers.values()):
        numbers[BEST] = numbers[WORST] = max(1, len(ranked) // 3)
    chosen = _Chosen(outputs.performance[ranked], sum(numbers.values()))
    chosen.take(range(len(ranked)), numbers[BEST], BEST)
    lowest = max(chosen.groups)
    chosen.take(range(len(ranked) - 1, lowest, -1), numbers[WORST], WORST)
    highest = min((rank for rank, group in chosen.groups.items() if group == WORST), default=len(ranked))
    for target in np.linspace(lowest, highest, numbers[BETWEEN] + 2)[1:-1]:
        chosen.take(sorted(range(lowest + 1, highest), key=lambda rank: abs(rank - target)), 1, BETWEEN)
    scores = {name: of_windows(outputs, name) for name in score_names(outputs)}
    return [
        Ranked(row, rank + 1, group, {name: float(values[row]) for name, values in scores.items()})
        for rank, group in sorted(chosen.groups.items())
        for row in [int(ranked[rank])]
    ]


class _Chosen:
    """Ranks that were chosen, each with its group."""

    def __init__(self, performance: np.ndarray, number: int) -> None:
        """Takes which performance each rank is of, and how many are to be chosen."""
        self._performance, self.groups = performance, {}
        self._most = -(-number // len(set(performance.tolist())))
        self._taken = collections.Counter()

    def take(self, ranks: Iterable[int], number: int, group: str) -> None:
        """Takes the first so many of some ranks whose performance may still be shown."""
        for rank in ranks:
            performance = self._performance[rank]
            if number and rank not in self.groups and self._taken[performance] < self._most:
                self.groups[rank] = group
                self._taken[performance] += 1
                number -= 1
