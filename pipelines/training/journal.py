"""What is told and kept of a training run: progress, `metrics.jsonl`, TensorBoard events, `curves.png`."""

from __future__ import annotations

import pathlib
import time

import numpy as np

from models.magenta import tf
from pipelines.evaluation import registry
from pipelines.files import progress
from pipelines.runs import metrics_log

ROW_EVERY_STEPS = 10
DRAW_EVERY_SECS = 60
MAX_DRAWING_SHARE = 0.01  # Of the time; pictures that take long come less often.


class Journal:
    """Keeps account of a run's steps and validations.

    Attributes:
        progress: What the user sees.
    """

    def __init__(
        self, run_dir: pathlib.Path, first_step: int, shown: progress.Steps, best_metric: str | None = None
    ) -> None:
        """Opens the account of a run that goes on after `first_step`; what it had after it is forgotten.

        The curves mark the validation that is the best by `best_metric`; None marks none.

        Raises:
            OSError: the folder cannot be written to.
        """
        self.progress = shown
        self._run_dir, self._best_metric = run_dir, best_metric
        self._log = metrics_log.MetricsLog(run_dir, first_step)
        self._events = tf.summary.FileWriter(str(self._run_dir / "train"))
        if first_step:
            # TensorBoard drops what another process had written after this step.
            start = tf.SessionLog(status=tf.SessionLog.START)
            self._events.add_session_log(start, first_step + 1)
        self._secs_before = max((row["secs"] for row in self._log.rows), default=0.0)
        self._started = time.monotonic()
        self._unwritten: list[np.ndarray] = []
        self._step, self._tags = first_step, ()
        self._drawn = self._started
        self._draw_every_secs: float = DRAW_EVERY_SECS

    def step(self, step: int, tags: tuple[str, ...], scalars: np.ndarray) -> None:
        """Takes note of a step: of the values `scalars`, `[len(tags)]`, that have these names on TensorBoard."""
        self._step, self._tags = step, tags
        self._unwritten.append(scalars)
        self.progress.step(step, float(scalars[tags.index("loss")]))
        if step == 1 or step % ROW_EVERY_STEPS == 0:
            self.flush()
        if time.monotonic() - self._drawn >= self._draw_every_secs:
            self.draw()

    def flush(self) -> None:
        """Writes a row: the means of the steps since the last one.

        Raises:
            OSError: the disk is full.
        """
        if not self._unwritten:
            return
        means = np.mean(np.array(self._unwritten, np.float64), axis=0)
        self._unwritten = []
        names = [tag.rpartition("/")[2] for tag in self._tags]
        self._log.append(metrics_log.TRAIN, self._step, self.secs, dict(zip(names, means.tolist(), strict=True)))
        values = [tf.Summary.Value(tag=tag, simple_value=mean) for tag, mean in zip(self._tags, means, strict=True)]
        self._events.add_summary(tf.Summary(value=values), self._step)

    def validated(self, step: int, metrics: dict[str, float]) -> dict:
        """Writes the row of a validation, and returns it."""
        self.flush()
        self._log.append(metrics_log.VALIDATION, step, self.secs, metrics)
        row = self._log.rows[-1]
        if time.monotonic() - self._drawn >= min(self._draw_every_secs, DRAW_EVERY_SECS / 6):
            self.draw()
        return row

    @property
    def secs(self) -> float:
        """Time spent on the run, over all the times it was continued."""
        return self._secs_before + time.monotonic() - self._started

    def draw(self) -> None:
        """Draws the curves; where that fails, the run goes on without."""
        started = time.monotonic()
        with self.progress.pause():
            try:
                from pipelines.training import curves  # With matplotlib, which a run's first step need not wait for.

                rows, metric = self._log.rows, self._best_metric
                best = registry.best_row(metrics_log.validations(rows), metric) if metric else None
                curves.draw(rows, self._run_dir / curves.FILE_NAME, best)
            except Exception as error:  # A picture is not worth a run, whatever is wrong.
                self.progress.say(f"curves.png could not be drawn ({type(error).__name__}: {error})")
                self._draw_every_secs = float("inf")
                return
        self._drawn = time.monotonic()
        self._draw_every_secs = max(DRAW_EVERY_SECS, (self._drawn - started) / MAX_DRAWING_SHARE)

    def close(self) -> None:
        """Writes what is left, and draws the curves."""
        try:
            self.flush()
        finally:
            self._log.close()
            self._events.close()
            if self._log.rows and self._draw_every_secs < float("inf"):
                self.draw()
            self.progress.close()


class NoJournal:
    """Of a worker that is not the chief: it shows its progress and keeps no account."""

    def __init__(self, shown: progress.Steps) -> None:
        self.progress = shown

    def step(self, step: int, tags: tuple[str, ...], scalars: np.ndarray) -> None:
        """Takes note of a step, as `Journal.step`."""
        self.progress.step(step, float(scalars[tags.index("loss")]))

    def close(self) -> None:
        self.progress.close()
