"""Validation while a run is trained: when it is due, which checkpoint is the best, and when to give up."""

from __future__ import annotations

from collections.abc import Sequence

from models.magenta import tf
from pipelines.evaluation import decoding, evaluator, registry, results
from pipelines.examples import loading, note_sequences
from pipelines.files import patterns
from pipelines.runs import best, metrics_log
from pipelines.training import interrupts, options, saver
from pipelines.training.journal import Journal


def num_since_best(rows: Sequence[dict], metric: str) -> int:
    """Returns how many validations came after the best one."""
    top = registry.best_row(rows, metric)
    return sum(row["step"] > top["step"] for row in rows) if top else 0


class Validation:
    """Validates the checkpoints of a run and keeps the best one.

    Attributes:
        rows: The run's validations, earlier processes' too, as in its `metrics_log`.
        best_metric: What the best one is chosen by.
        is_over: Whether so many came after the best one that training ends.
    """

    def __init__(self, run: options.Run, asked: options.Validating, first_step: int, stop: interrupts.Stop) -> None:
        """Loads the examples, so that what is wrong with them is known now; the graph is built when first needed.

        Rows of steps after `first_step` are passed over. When `stop` is asked for, a validation ends without a result.

        Raises:
            FileNotFoundError: there are no examples.
            ValueError: they are damaged, or the config has no metric of the name that `asked` gives.
        """
        path = asked.examples_path or _beside_training(run, asked)
        self._examples = loading.load(run.config, "validation", path, run.cache_dir, run.tfds_data_dir)
        measured = registry.unsampled_names(decoding.kind_of(run.config, self._examples))
        known = [name for name in measured if name in registry.BEST_NAMES]
        if asked.best_metric not in known:
            raise ValueError(
                f"--best_metric={asked.best_metric}: not computed for this config; accepted: {', '.join(known)}"
            )
        rows = metrics_log.validations(metrics_log.read(run.folder.path))
        self.rows = [row for row in rows if row["step"] <= first_step]
        self.best_metric, self.is_over = asked.best_metric, False
        self._run, self._asked, self._stop = run, asked, stop
        self._evaluator: evaluator.Evaluator | None = None
        self._events: tf.summary.FileWriter | None = None

    def is_due(self, step: int, *, at_end: bool = False) -> bool:
        """Whether the checkpoint of a step is to be validated, and has not been."""
        if step == 0 or (step % self._asked.every_steps and not at_end):
            return False
        return all(row["step"] != step for row in self.rows)

    def validate(self, step: int, checkpoint: str, journal: Journal) -> None:
        """Measures a checkpoint, writes and says it, and judges anew; does nothing more if a signal comes.

        Raises:
            OSError: a line of the log or the best checkpoint could not be written.
        """
        with journal.progress.pause():
            metrics = self._measure(checkpoint)
        if metrics is None:
            return
        row = journal.validated(step, metrics)
        self.rows.append(row)
        self._events = self._events or tf.summary.FileWriter(str(self._run.folder.path / "eval"))
        self._events.add_summary(results.to_summary(metrics), step)
        journal.progress.note(f"validation loss {metrics['loss']:.2f}")
        journal.progress.say(self._describe(row))
        self.judge()

    def judge(self) -> None:
        """Sees to it that the best checkpoint is in `run_dir/best`, and whether patience is at its end."""
        top, folder = self.best(), self._run.folder
        if top and not best.holds(folder.path, top):
            checkpoint = saver.checkpoint_of(folder.train_dir, top["step"])
            if checkpoint:
                best.keep(folder.path, checkpoint, top)
        patience = self._asked.patience
        self.is_over = bool(patience) and num_since_best(self.rows, self.best_metric) >= patience

    def best(self) -> dict | None:
        """Returns the row of the best validation; None before the first one."""
        return registry.best_row(self.rows, self.best_metric)

    def conclusion(self) -> str:
        """Returns why training ends before its last step."""
        return (
            f"no better {self.best_metric} than that of step {self.best()['step']} in"
            f" {num_since_best(self.rows, self.best_metric)} validations: training ends here;"
            " a larger --patience goes on"
        )

    def close(self) -> None:
        for opened in filter(None, (self._evaluator, self._events)):
            opened.close()

    def _measure(self, checkpoint: str) -> dict[str, float] | None:
        if self._evaluator is None:
            num_batches = self._asked.num_batches
            self._evaluator = evaluator.Evaluator(self._run.config, self._examples, num_batches, sampled=False)
        return self._evaluator.evaluate(checkpoint, self._stop.is_asked_for)

    def _describe(self, row: dict) -> str:
        """Returns one line about a validation."""
        told = dict.fromkeys([*(metric.name for metric in registry.METRICS if metric.is_told), self.best_metric])
        values = [f"{name} {row[name]:.4g}" for name in told if row.get(name) is not None]
        top = self.best()
        is_best = top is not None and top["step"] == row["step"]
        rank = "the best so far" if is_best else f"the best is step {top['step']}" if top else "not a number"
        return f"validation after step {row['step']}: {'  '.join(values)}  ({rank})"


def _beside_training(run: options.Run, asked: options.Validating) -> str | None:
    """Returns where the TFRecords named validation are beside the training's; None where a TFDS dataset has both."""
    if not run.examples_path:
        return None
    path = patterns.beside(run.examples_path, "validation.tfrecord*")
    try:
        note_sequences.find_records(path)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"--eval_every_steps={asked.every_steps}: nothing to validate on, there is no {path};"
            " name it with --eval_examples_path=GLOB"
        ) from error
    return path
