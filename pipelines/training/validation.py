"""Validation while a run is trained: when it is due, which checkpoint is the best, and when to give up."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence

import configs
from pipelines.evaluation import decoding, evaluator, registry
from pipelines.examples import loading
from pipelines.runs import best
from pipelines.training import options


def num_since_best(rows: Sequence[dict], metric: str) -> int:
    """Returns how many validations came after the best one."""
    top = registry.best_row(rows, metric)
    return sum(row["step"] > top["step"] for row in rows) if top else 0


class Validation:
    """Validates the checkpoints of a run and keeps the best one.

    What it knows of earlier ones is in the rows that the run's `metrics_log` has of them.
    """

    def __init__(
        self,
        chosen: options.Validating,
        config: configs.Config,
        split: loading.Examples,
        run_dir: str | os.PathLike[str],
        is_stopped: Callable[[], bool],
    ) -> None:
        """Prepares; the graph is built when it is first needed.

        Args:
            chosen: When, and by what.
            config: The run's config, before its model is built.
            split: The examples.
            run_dir: The run's folder.
            is_stopped: Asked between batches; yes ends a validation without a result.

        Raises:
            ValueError: the config has no metric of the name that `chosen` gives.
        """
        known = [
            name for name in registry.unsampled_names(decoding.kind_of(config, split)) if name in registry.BEST_NAMES
        ]
        if chosen.best_metric not in known:
            raise ValueError(
                f"--best_metric={chosen.best_metric}: not computed for this config; accepted: {', '.join(known)}"
            )
        self._chosen, self._split, self._run_dir, self._is_stopped = chosen, split, run_dir, is_stopped
        max_examples = chosen.num_batches * config.hparams.batch_size if chosen.num_batches else None
        self._evaluator_of = lambda: evaluator.Evaluator(config, split, max_examples, sampled=False)
        self._evaluator: evaluator.Evaluator | None = None

    def is_due(self, step: int, rows: Sequence[dict], *, at_end: bool = False) -> bool:
        """Whether the checkpoint of a step is to be validated, and has not been."""
        if step == 0 or (step % self._chosen.every_steps and not at_end):
            return False
        return all(row["step"] != step for row in rows)

    def is_over(self, rows: Sequence[dict]) -> bool:
        """Whether patience is at its end."""
        return bool(self._chosen.patience) and num_since_best(rows, self._chosen.best_metric) >= self._chosen.patience

    def measure(self, checkpoint: str) -> dict[str, float] | None:
        """Returns the metrics of a checkpoint; None if a signal came."""
        if self._evaluator is None:
            self._evaluator = self._evaluator_of()
        return self._evaluator.evaluate(checkpoint, self._is_stopped)

    def keep_best(self, rows: Sequence[dict], checkpoint_of: Callable[[int], str | None]) -> None:
        """Sees to it that the best checkpoint is in `run_dir/best`.

        Args:
            rows: The run's validations.
            checkpoint_of: Returns the prefix of the checkpoint of a step, or None if there is none any more.
        """
        top = self.best(rows)
        if top and not best.holds(self._run_dir, top):
            checkpoint = checkpoint_of(top["step"])
            if checkpoint:
                best.keep(self._run_dir, checkpoint, top)

    def best(self, rows: Sequence[dict]) -> dict | None:
        return registry.best_row(rows, self._chosen.best_metric)

    def describe(self, row: dict, rows: Sequence[dict]) -> str:
        """Returns one line about a validation."""
        told = [metric.name for metric in registry.METRICS if metric.is_told]
        told = dict.fromkeys([*told, self._chosen.best_metric])
        values = [f"{name} {row[name]:.4g}" for name in told if _is_number(row.get(name))]
        top = self.best(rows)
        is_best = top is not None and top["step"] == row["step"]
        rank = "the best so far" if is_best else f"the best is step {top['step']}" if top else "not a number"
        return f"validation after step {row['step']}: {'  '.join(values)}  ({rank})"

    def describe_best(self, row: dict) -> str:
        return f"{self._chosen.best_metric} {row[self._chosen.best_metric]:.4g} at step {row['step']}"

    def describe_end(self, rows: Sequence[dict]) -> str:
        """Returns why training ends before its last step."""
        top = self.best(rows)
        return (
            f"no better {self._chosen.best_metric} than that of step {top['step']} in"
            f" {num_since_best(rows, self._chosen.best_metric)} validations: training ends here;"
            " a larger --patience goes on"
        )

    def close(self) -> None:
        if self._evaluator is not None:
            self._evaluator.close()


def _is_number(value: float | None) -> bool:
    return value is not None and math.isfinite(value)
