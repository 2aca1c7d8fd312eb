"""The training loop: step after step, with checkpoints and validation in between, to an end that leaves a good run."""

from __future__ import annotations

import contextlib
import errno
import math
import os
import pathlib
from collections.abc import Callable, Iterator

import configs
from models import checkpoint_files, devices
from models.magenta import tf
from pipelines.files import progress
from pipelines.training import interrupts, options, resume, saver, train_step
from pipelines.training.journal import Journal, NoJournal
from pipelines.training.validation import Validation

MAX_DROPPED_STEPS = 50
_DEFAULT_SAVING = options.Saving()
_LOWER_RATE = "a lower rate helps: --hparams=learning_rate=0.0003"


class Health:
    """Whether steps still train, or the loss has exploded."""

    def __init__(self, max_norm: float) -> None:
        self._max_norm = max_norm
        self._dropped_in_a_row = 0

    @property
    def is_dropping(self) -> bool:
        """Whether the last step was dropped; what led to it may not be worth a checkpoint."""
        return self._dropped_in_a_row > 0

    def check(self, step: int, loss: float, norm: float) -> None:
        """Takes note of a step.

        Raises:
            ExplodedError: loss or gradient are no longer numbers, or no step has trained anything for long.
        """
        drops_large = math.isfinite(self._max_norm)
        if not math.isfinite(loss) or (not math.isfinite(norm) and not drops_large):
            raise saver.ExplodedError(f"the loss is no longer a number after step {step}")
        self._dropped_in_a_row = self._dropped_in_a_row + 1 if drops_large and not norm < self._max_norm else 0
        if self._dropped_in_a_row >= MAX_DROPPED_STEPS:
            raise saver.ExplodedError(
                f"the loss has exploded: at step {step} the gradient's norm is {norm:.3g}, and so many as"
                f" {MAX_DROPPED_STEPS} steps in a row were dropped"
                f" because it is not below the hparam grad_norm_clip_to_zero={self._max_norm:g}"
            )


class Loop:
    """Trains a run in a session.

    Attributes:
        step: The last one that is done, counted from the beginning of the run.
    """

    def __init__(
        self,
        training: train_step.TrainingStep,
        first_step: int,
        num_steps: int | None,
        stop: interrupts.Stop,
        journal: Journal,
        writer: saver.CheckpointWriter | None,
        validation: Validation | None = None,
    ) -> None:
        """Prepares.

        Args:
            training: The graph.
            first_step: Steps that are done already.
            num_steps: The last one; None is endless.
            stop: Says when to end before.
            journal: What takes note of everything.
            writer: What writes checkpoints; None where another worker does.
            validation: None is none.
        """
        self.step = first_step
        self._training, self._num_steps, self._stop = training, num_steps, stop
        self._journal, self._writer, self._validation = journal, writer, validation
        self._health = Health(training.max_norm)
        self._is_out_of_patience = False
        self._fetches = (training.train, training.step, training.scalars)

    def run(self, session: tf.train.MonitoredSession) -> None:
        """Trains until the last step, a signal, or the end of patience; the end is a checkpoint.

        Raises:
            ExplodedError: the loss is no longer a number or far too large. No checkpoint of that is written.
            OSError: a checkpoint or a line of the log could not be written.
        """
        self._take_up_validation(session)
        while not self._is_done(session):
            self._take_step(session)
            if self._writer and not self._health.is_dropping and self._writer.is_due():
                self._save(session)
            self._validate_if_due(session)
        if self._writer and self.step and not self._health.is_dropping:
            self._save(session)
            self._validate_if_due(session, at_end=self._stop.number is None)

    def _is_done(self, session: tf.train.MonitoredSession) -> bool:
        is_last = bool(self._num_steps) and self.step >= self._num_steps
        return is_last or self._is_out_of_patience or self._stop.number is not None or session.should_stop()

    def _take_step(self, session: tf.train.MonitoredSession) -> None:
        before = self.step
        _, step, scalars = session.run(self._fetches)
        tags = self._training.tags
        loss, norm = (float(scalars[tags.index(tag)]) for tag in ("loss", train_step.NORM_TAG))
        self.step = int(step)
        try:
            self._health.check(self.step, loss, norm)
        except saver.ExplodedError:
            if self._writer and not math.isfinite(loss):
                self._writer.discard(before)  # This step's loss is that of the variables before it.
            raise
        self._journal.step(self.step, tags, scalars)

    def _save(self, session: tf.train.MonitoredSession) -> str:
        with self._journal.progress.pause():
            return self._writer.save(session, self.step)

    def _take_up_validation(self, session: tf.train.MonitoredSession) -> None:
        """Does what an earlier process had left to do about the checkpoint that this one goes on from."""
        if self._validation and self.step:
            self._validate_if_due(session)
            self._judge()

    def _validate_if_due(self, session: tf.train.MonitoredSession, *, at_end: bool = False) -> None:
        validation, journal = self._validation, self._journal
        if not validation or self._stop.number or self._health.is_dropping:
            return
        if validation.is_due(self.step, journal.validations, at_end=at_end):
            checkpoint = self._save(session)
            with journal.progress.pause():
                metrics = validation.measure(checkpoint)
            if metrics is not None:
                row = journal.validated(self.step, metrics)
                journal.progress.note(f"validation loss {metrics['loss']:.2f}")
                journal.progress.say(validation.describe(row, journal.validations))
                self._judge()

    def _judge(self) -> None:
        rows = self._journal.validations
        self._validation.keep_best(rows, self._writer.checkpoint_of)
        self._is_out_of_patience = self._validation.is_over(rows)


def train(
    config: configs.Config,
    make_batches: Callable[[], tf.data.Dataset],
    run_dir: str | os.PathLike[str],
    num_steps: int | None,
    stop: interrupts.Stop,
    *,
    seed: int,
    checkpoint: str | None = None,
    cluster: options.Cluster = options.ALONE,
    chosen: options.Saving = _DEFAULT_SAVING,
    validation: Validation | None = None,
    when_checked: Callable[[], None] = lambda: None,
) -> int:
    """Builds a run's graph and trains it.

    Args:
        config: The config; its model is built here and must not be used elsewhere.
        make_batches: Called inside of the graph; returns a dataset of (inputs, outputs, controls, lengths).
        run_dir: The run's folder.
        num_steps: The last step, counted from the beginning of the run; None trains until it is stopped.
        stop: Says when to end before.
        seed: Of new variables, and of what Magenta's own layers draw.
        checkpoint: The prefix of the one to go on from; None begins.
        cluster: Where to compute, with whom.
        chosen: When to write checkpoints.
        validation: What validates them; None is nothing.
        when_checked: Called once the model is built and fits the checkpoint, before anything is written.

    Returns:
        The last step that is done.

    Raises:
        ValueError: the checkpoint does not fit the config, or the loss has exploded.
        OSError: the disk is full, or the folder cannot be written to.
    """
    run_dir = pathlib.Path(run_dir)
    first_step = checkpoint_files.step_of(checkpoint) if checkpoint else 0
    with tf.Graph().as_default(), tf.device(train_step.device_setter(cluster)):
        tf.set_random_seed((seed + first_step) % resume.MAX_SEED)
        training = train_step.build(config, make_batches, cluster)
        writer = saver.CheckpointWriter(run_dir / "train", chosen)
        writer.check(checkpoint)
        if stop.number:
            return first_step
        when_checked()
        batch_size = config.hparams.batch_size * max(1, cluster.num_sync_workers)
        shown = progress.Steps(first_step, num_steps, batch_size)
        with _journal(run_dir, first_step, shown, cluster, validation) as journal:
            loop = Loop(
                training, first_step, num_steps, stop, journal, writer if cluster.is_chief else None, validation
            )
            with _explained(run_dir, writer), train_step.open_session(training, checkpoint, writer, cluster) as session:
                loop.run(session)
    return loop.step


@contextlib.contextmanager
def _journal(
    run_dir: pathlib.Path,
    first_step: int,
    shown: progress.Steps,
    cluster: options.Cluster,
    validation: Validation | None,
) -> Iterator[Journal | NoJournal]:
    """Yields the run's journal, which is closed however training ends; workers other than the chief keep none."""
    if not cluster.is_chief:
        yield NoJournal(shown)
        shown.close()
        return
    journal = Journal(run_dir, first_step, shown, validation)
    try:
        yield journal
    except BaseException:
        with contextlib.suppress(OSError):  # What went wrong first is what counts.
            journal.close()
        raise
    journal.close()


@contextlib.contextmanager
def _explained(run_dir: pathlib.Path, writer: saver.CheckpointWriter) -> Iterator[None]:
    """Adds to what has ended the training which checkpoint is left, and what to do."""
    try:
        yield
    except saver.ExplodedError as error:
        raise ValueError(f"{error};\n  {writer.kept()}; {_LOWER_RATE}") from error
    except tf.errors.OpError as error:
        explained = devices.explain(error.message)
        if not explained:
            raise
        raise OSError(f"{explained};\n  {writer.kept()}") from error
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        free = saver.mib(saver.free_bytes(run_dir))
        raise OSError(
            f"the disk is full: {error.filename or run_dir} could not be written, {free} are free;\n"
            f"  {writer.kept()}; free some space first"
        ) from error
